"""Which methods a resource has: it says so where it is asked, or asked for another (RFC 9110, 9.3.7 and 15.5.6)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from tornado.web import HTTPError, RequestHandler

if TYPE_CHECKING:
    _Handler = RequestHandler
else:
    _Handler = object


class MethodsMixin(_Handler):
    """A class allows the methods that it defines, and OPTIONS; who may call at all is settled before."""

    def prepare(self) -> Awaitable[None] | None:
        ready = super().prepare()
        return ready if self.request.method in self._allowed() else self._refuse(ready)

    async def _refuse(self, ready: Awaitable[None] | None) -> None:
        if ready is not None:
            await ready
        allowed = ", ".join(self._allowed())
        raise HTTPError(405, f"{self.request.method} is not possible here, allowed are: {allowed}")

    def _allowed(self) -> list[str]:
        default = RequestHandler._unimplemented_method
        return [name for name in self.SUPPORTED_METHODS if getattr(type(self), name.lower()) is not default]

    def options(self, *_: str) -> None:
        self.set_header("Allow", ", ".join(self._allowed()))
        self.set_status(204)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if status_code == 405:
            self.set_header("Allow", ", ".join(self._allowed()))
        super().write_error(status_code, **kwargs)
