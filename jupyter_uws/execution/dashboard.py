"""Dask's own web pages on the scheduler of the cluster that runs, as a tornado application that listens nowhere.

The scheduler is in this process and event loop, so its pages can be too: no port, and whoever mounts the
application decides who may see it. What is used of Dask and Bokeh beyond their documentation is in this module.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import logging
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed.http.routing import RoutingApplication
    from tornado.websocket import WebSocketHandler

#: Pages beside the plots. Not among them: the proxy to workers, which would ask whatever it is told to, and
#: the interface that closes workers.
PAGES = ["distributed.http.scheduler.info", "distributed.http.scheduler.json", "distributed.http.statics"]

#: A page holds a token with what its request brought, to be read by everybody who sees it: no headers, for
#: the relay's secret is among them. Nor need other origins be allowed: the relay has dealt with that.
BOKEH: dict[str, list[str]] = {"include_headers": [], "include_cookies": [], "allow_websocket_origin": []}
BOKEH_OPTIONS = "distributed.scheduler.dashboard.bokeh-application"

#: Seconds for the browsers to close their websockets; tornado breaks them off after five.
CLOSE_TIMEOUT = 6.0

NOT_INSTALLED = "the dashboard needs Bokeh in the service's environment: pip install 'jupyter-uws[dashboard]'"
NO_CLUSTER = "no Dask cluster runs: it starts with the first job, and so does its dashboard"


class DashboardError(Exception):
    """There is no dashboard to see; one sentence, and the HTTP status that goes with it."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Pages:
    """The pages of one ``scheduler``, at the root of ``application``, and the websockets of who looks at them."""

    def __init__(self, scheduler: Any, application: RoutingApplication) -> None:
        self.scheduler = scheduler
        self.application = application
        self._sockets: set[WebSocketHandler] = set()
        self._left = asyncio.Event()

    def enter(self, socket: WebSocketHandler) -> None:
        """Somebody looks."""
        self._sockets.add(socket)
        self._left.clear()

    def leave(self, socket: WebSocketHandler) -> None:
        """The websocket is closed."""
        self._sockets.discard(socket)
        if not self._sockets:
            self._left.set()

    async def close(self) -> None:
        """Tell the browsers, and end the plots' periodic work: nothing holds the scheduler any more."""
        for socket in list(self._sockets):
            socket.close(1001, "the cluster was closed")
        if self._sockets:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), CLOSE_TIMEOUT)
        for bokeh in self.application.applications:
            bokeh.stop()
            for path in bokeh.app_paths:
                for session in bokeh.get_sessions(path):
                    session.destroy()


class Dashboard:
    """The pages of whichever cluster runs: made when somebody asks for them, gone with the cluster.

    ``scheduler`` returns the scheduler, or None where no cluster runs.
    """

    def __init__(self, scheduler: Callable[[], Any]) -> None:
        self._scheduler = scheduler
        self._pages: Pages | None = None
        self._making = asyncio.Lock()

    @property
    def is_there(self) -> bool:
        """Whether :meth:`open` would find something."""
        return self._scheduler() is not None and importlib.util.find_spec("bokeh") is not None

    def pages(self) -> Pages | None:
        """The pages, where they are made already."""
        pages = self._pages
        return pages if pages is not None and pages.scheduler is self._scheduler() else None

    async def open(self) -> Pages:
        """The pages, made where need be. Raises DashboardError."""
        async with self._making:
            if importlib.util.find_spec("bokeh") is None:
                raise DashboardError(NOT_INSTALLED, 501)
            if self._scheduler() is not None:
                try:
                    # off the loop: a second during which the service would answer nobody
                    await asyncio.to_thread(importlib.import_module, "distributed.dashboard.scheduler")
                except ImportError as error:
                    raise DashboardError(f"the dashboard cannot be loaded: {error}", 501) from error
            pages = self.pages()
            if pages is None:
                scheduler = self._scheduler()
                if scheduler is None:
                    raise DashboardError(NO_CLUSTER, 404)
                pages = self._pages = make_pages(scheduler, self._close)
            return pages

    async def _close(self, pages: Pages) -> None:
        if self._pages is pages:
            self._pages = None
        await pages.close()


def make_pages(scheduler: Any, closed: Callable[[Pages], Awaitable[None]]) -> Pages:
    """Make the pages of a scheduler in the running event loop; ``closed`` is awaited when it closes."""
    import dask
    from distributed import SchedulerPlugin
    from distributed.dashboard.scheduler import connect
    from distributed.http.routing import RoutingApplication
    from distributed.http.utils import get_handlers
    from tornado.template import DictLoader

    class Closing(SchedulerPlugin):
        async def close(self) -> None:
            await closed(pages)

    logging.getLogger("bokeh").setLevel(logging.WARNING)
    loader = DictLoader(templates())
    application = RoutingApplication(get_handlers(scheduler, PAGES), template_loader=loader)  # type: ignore[no-untyped-call]
    with dask.config.set({BOKEH_OPTIONS: {**dask.config.get(BOKEH_OPTIONS), **BOKEH}}):
        # without a prefix the addresses in its pages are relative, so they are right wherever it is mounted
        connect(application, scheduler.http_server, scheduler, prefix="")  # type: ignore[no-untyped-call]
    pages = Pages(scheduler, application)
    scheduler.add_plugin(Closing(), name="jupyter-uws-dashboard")
    return pages


def templates() -> dict[str, str]:
    """Dask's templates of tables and logs: without style sheets from other hosts, and for any address.

    They are written for ``/info/<kind>/<page>`` at the root of a host, and go one folder too far up.
    """
    import distributed.http

    found = {}
    for path in (Path(distributed.http.__file__).parent / "templates").glob("*.html"):
        text = re.sub(r'<link[^>]*"https?://[^>]*>', "", path.read_text())
        found[path.name] = text.replace("{{ rel_path_statics }}", "../..")
    return found
