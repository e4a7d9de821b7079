"""What a handler expects leaves no trace in the log, whatever the order of its bases."""

from __future__ import annotations

import itertools
import logging

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application

from jupyter_uws.archive.errors import ArchiveError
from jupyter_uws.archive.handlers import FilesMixin
from jupyter_uws.dali import ErrorMixin
from jupyter_uws.forms import FormLimits
from jupyter_uws.service.handlers import Access, ServiceHandler
from jupyter_uws.tap.errors import TAPError
from jupyter_uws.uws.errors import UWSError

FAULTS = {
    "tap": TAPError("the query failed"),
    "archive": ArchiveError("there is no archive"),
    "uws": UWSError("there is no such job"),
    "ours": KeyError("a mistake"),
}


class Queries(ErrorMixin):
    expected = (TAPError,)


class Archives(ErrorMixin):
    expected = (ArchiveError,)


class Faulty(FilesMixin):
    """A resource that only fails, and expects nothing by itself."""

    async def get(self, fault: str) -> None:  # type: ignore[override]
        raise FAULTS[fault]


@pytest.mark.parametrize("bases", list(itertools.permutations((Queries, Archives, ServiceHandler))))
async def test_the_order_of_bases_does_not_matter(bases: tuple[type, ...], caplog: pytest.LogCaptureFixture) -> None:
    handler = type("Handler", (Faulty, *bases), {})
    access = Access("secret", "token")
    app = Application(
        [(r"/(\w+)", handler)], access=access, form_limits=FormLimits(), log_function=lambda handler: None
    )
    sock, port = bind_unused_port()
    server = HTTPServer(app)
    server.add_socket(sock)
    caplog.set_level(logging.INFO)
    client = AsyncHTTPClient()
    for fault in FAULTS:
        caplog.clear()
        answer = await client.fetch(
            f"http://127.0.0.1:{port}/{fault}", headers={"Authorization": "token token"}, raise_error=False
        )
        assert answer.code >= 400
        assert [record.getMessage() for record in caplog.records] == (["GET /ours failed"] if fault == "ours" else [])
    server.stop()
    await server.close_all_connections()
