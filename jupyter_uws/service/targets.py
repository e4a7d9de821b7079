"""Names of targets for panels: the list of well-known sources, and Sesame where the operator switched it on.

The browser asks nobody but the service. The service asks nobody either, unless ``name_resolver`` is set;
then it is asked for one name at a time, when a user says so, and for what the list lacks only.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections import OrderedDict
from dataclasses import asdict
from urllib.parse import urlsplit

import httpcore
from tornado.web import HTTPError

from ..names import (
    LONGEST_NAME,
    SESAME_SIZE,
    SESAME_TIMEOUT,
    NotUnderstood,
    Source,
    is_name,
    listed_names,
    listed_sources,
    normalise,
    parse_sesame,
    sesame_question,
)
from .handlers import ServiceHandler

logger = logging.getLogger(__name__)

#: Answers that are kept, and questions that are under way at a time.
KEPT = 1000
QUESTIONS = 4

_URL = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?(?:/[^\s?#\"<>]*)?")


def resolver_url(given: str) -> str:
    """The URL of a Sesame without a slash at the end; '' for none. Raises ValueError for what is no URL."""
    url = given.strip().rstrip("/")
    if url and not _URL.fullmatch(url):
        raise ValueError(f"{given!r} is no URL such as https://cds.unistra.fr/cgi-bin/nph-sesame")
    return url


class Resolver:
    """The Sesame at ``url``; with '' nobody is asked.

    No redirect is followed and no proxy taken from the environment: the address is the operator's and no other.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._known: OrderedDict[str, Source] = OrderedDict()
        self._places = asyncio.Semaphore(QUESTIONS)

    @property
    def host(self) -> str:
        """Who is asked, for people; '' where nobody is."""
        return urlsplit(self.url).hostname or ""

    async def find(self, name: str) -> Source | None:
        """The source of that name. Raises HTTPError 502 or 504 where there was no answer of a Sesame."""
        key = normalise(name)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        try:
            async with asyncio.timeout(SESAME_TIMEOUT), self._places:
                found = parse_sesame(await self._ask(name), name)
        except (TimeoutError, httpcore.TimeoutException):
            raise HTTPError(504, f"{self.host} did not answer within {SESAME_TIMEOUT:g} s") from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            logger.info("the name resolver %s failed: %s", self.host, type(error).__name__)
            raise HTTPError(502, f"{self.host} cannot be reached") from None
        except NotUnderstood:
            raise HTTPError(502, f"{self.host} gave an answer that is not Sesame's") from None
        if found is not None:
            self._known[key] = found
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return found

    async def _ask(self, name: str) -> bytes:
        headers = [("Accept", "text/xml"), ("Accept-Encoding", "identity"), ("User-Agent", "jupyter_uws")]
        body = bytearray()
        async with (
            httpcore.AsyncConnectionPool(ssl_context=ssl.create_default_context()) as pool,
            pool.stream("GET", sesame_question(self.url, name), headers=headers) as answer,
        ):
            if answer.status != 200:
                raise HTTPError(502, f"{self.host} answered with status {answer.status}")
            async for chunk in answer.aiter_stream():
                body += chunk
                if len(body) > SESAME_SIZE:
                    raise NotUnderstood("it is too long")
        return bytes(body)


class TargetsHandler(ServiceHandler):
    """``/targets``: the whole list and who else can be asked (JSON); with ``name``, the source of that name."""

    def initialize(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def get(self) -> None:
        self.set_header("Cache-Control", "private, max-age=3600")
        name = self.get_query_argument("name", None)
        sources = listed_sources() if name is None else [await self._find(" ".join(name.split()))]
        self.write({"targets": [asdict(source) for source in sources], "resolver": self._resolver.host})

    head = get

    async def _find(self, name: str) -> Source:
        if not is_name(name):
            raise HTTPError(400, f"name: it must be printable text of 1 to {LONGEST_NAME} letters")
        found = listed_names().get(normalise(name))
        if found is None and not self._resolver.url:
            raise HTTPError(404, f"name: {name!r} is not in the list, and this service asks no name resolver")
        found = found or await self._resolver.find(name)
        if found is None:
            raise HTTPError(404, f"name: {name!r} is not in the list, and {self._resolver.host} does not know it")
        return found
