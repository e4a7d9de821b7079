"""Errors that a notebook's user reads: his own lines, and one sentence."""

from __future__ import annotations

from types import TracebackType

#: The package whose frames a notebook's user did not write.
_PACKAGE = __name__.partition(".")[0]


class OneSentence:
    """Of an error whose text tells a user what is wrong; where in this package it was found does not help him."""

    __traceback__: TracebackType | None

    def _render_traceback_(self) -> list[str]:
        """As IPython shows it: the lines that called this package, and the sentence, without the way in between."""
        from IPython.core.getipython import get_ipython

        shell = get_ipython()
        assert shell is not None  # noqa: S101 (only IPython asks)
        assert isinstance(self, BaseException)  # noqa: S101 (it is one of the bases)
        lines: list[str] = shell.InteractiveTB.structured_traceback(type(self), self, outside(self.__traceback__))
        return lines


def outside(traceback: TracebackType | None) -> TracebackType | None:
    """A traceback up to where it enters this package."""
    if traceback is None or traceback.tb_frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        return None
    return TracebackType(outside(traceback.tb_next), traceback.tb_frame, traceback.tb_lasti, traceback.tb_lineno)
