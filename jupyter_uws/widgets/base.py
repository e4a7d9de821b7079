"""What all widgets share: the page's module, the messages, and what stands in a saved notebook."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ..client.connection import Connection, connect
from ..client.errors import ClientError
from ..client.show import html_paragraph
from .folder import Folder
from .live import listen
from .questions import Relay

STATIC = Path(__file__).parent / "static"
#: Bytes of a picture that is kept in the state of a widget.
LARGEST_STILL = 256 * 1024


@cache
def built(name: str) -> str:
    """A file of the built front end."""
    try:
        return (STATIC / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RuntimeError("The widgets were not built: run 'python tools/frontend.py build'.") from None


class ServiceWidget(anywidget.AnyWidget):
    """A view of a service in a cell.

    The service is the one of a client's object, or the one at ``url``, or without both the one this kernel belongs to.
    """

    #: Which module of the front end draws it.
    _module = "jobs.js"

    _place = traitlets.Dict().tag(sync=True)
    _root = traitlets.Unicode().tag(sync=True)
    #: HTML for pages without a kernel, where the state of widgets is saved: what it showed when its cell was run.
    _still = traitlets.Unicode().tag(sync=True)
    #: Whether the service was named by its URL: then the code that is shown names it, too.
    _named = traitlets.Bool().tag(sync=True)

    def __init__(
        self,
        place: dict[str, Any],
        url: str | None,
        token: str | None,
        connection: Connection | None = None,
        files: Mapping[str, Path | bytes] | None = None,
        **more: Any,
    ) -> None:
        self.connection = connection or connect(url, token)
        self._relay = Relay(self.connection, self._reply, Folder(Path.cwd(), files or {}))
        self._esm, self._css = built(self._module), built("widgets.css")
        super().__init__(_place=place, _root=self.connection.url, _named=url is not None, **more)
        self.on_msg(self._take)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.connection.url}>"

    @traitlets.observe("comm")
    def _hear_where_it_is_asked(self, change: Any) -> None:
        """Take a page's messages on the subshell that it sends them to.

        ipykernel 7.4 hands them to the subshell of which the kernel heard last when the widget spoke. That may be any
        other one, and where JupyterLab has ended it since, ipykernel refuses all that the page asks.
        """
        if hasattr(change.new, "_reply_subshell_for"):
            change.new._reply_subshell_for = None

    def _take(self, _: Any, message: Any, buffers: Any) -> None:
        if not isinstance(message, dict):
            return
        if message.get("kind") == "events":
            self._reply({"kind": "taken", "id": message.get("id")}, [])
            listen(self.connection, self._tell)
        else:
            self._relay.take(message, buffers)

    def _reply(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        if self.comm is not None:
            self.send(message, buffers)

    def _tell(self, message: dict[str, Any]) -> bool:
        self._reply(message, [])
        return self.comm is not None

    def _static(self) -> dict[str, Any]:
        """What it shows now, by media types that need neither kernel nor script."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = super()._repr_mimebundle_() or ({}, {})
        try:
            still = self._static()
        except ClientError as error:
            still = {"text/html": html_paragraph(str(error))}
        self._still = _as_html(still)
        return {**data, **still}, metadata


def _as_html(shown: Mapping[str, Any]) -> str:
    """A table or a picture as HTML; nothing for one that is too large to be kept twice."""
    if "text/html" in shown:
        return str(shown["text/html"])
    kind, content = next(iter(shown.items()))
    return "" if len(content) > LARGEST_STILL else f'<img src="data:{kind};base64,{b64encode(content).decode()}">'
