"""DALI 1.1: how services of tables tell an error, the same for TAP and DataLink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .markup import DECLARATION, tag, text

if TYPE_CHECKING:
    from tornado.web import RequestHandler

    _Handler = RequestHandler
else:
    _Handler = object


def error_document(message: str) -> str:
    """The VOTable that says why a request cannot be answered (section 4.2)."""
    status = tag("INFO", text(message), name="QUERY_STATUS", value="ERROR")
    resource = tag("RESOURCE", "\n", status, "\n", type="results")
    votable = tag("VOTABLE", "\n", resource, "\n", version="1.4", xmlns="http://www.ivoa.net/xml/VOTable/v1.3")
    return DECLARATION + votable + "\n"


class ErrorMixin(_Handler):
    """Errors that are ``expected`` by any class of a handler are answered, and leave no trace in the log.

    Each class names its own: in which order a handler has its bases does not matter.
    """

    expected: tuple[type[Exception], ...] = ()

    def answer_error(self, status: int, message: str) -> None:
        """Answer with an error document."""
        self._tell(status, "text/xml", error_document(message))

    def answer_in_words(self, status: int, message: str) -> None:
        """Answer with a sentence, where no table was asked for."""
        self._tell(status, "text/plain", message + "\n")

    def _tell(self, status: int, content_type: str, content: str) -> None:
        self.set_status(status)
        if status == 503:
            self.set_header("Retry-After", "5")
        self.set_header("Content-Type", f"{content_type}; charset=UTF-8")
        self.set_header("Connection", "close")  # a body that was refused is left unread
        self.finish(content)

    def is_expected(self, error: BaseException | None) -> bool:
        """Whether one of the handler's classes expects such an error."""
        return any(isinstance(error, vars(kind).get("expected", ())) for kind in type(self).__mro__)

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        if not self.is_expected(value):
            super().log_exception(typ, value, tb)
