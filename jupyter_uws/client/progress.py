"""A job's progress while somebody waits for it.

In a notebook one output is updated in place: what is saved with the notebook is the last state,
with no widget that would be lost. In a terminal it is tqdm.
"""

from __future__ import annotations

import time
from html import escape
from typing import Any, Protocol


class Progress(Protocol):
    """Shows how far a job is."""

    def show(self, phase: str, fraction: float | None, message: str) -> None:
        """Draw a state; ``fraction`` is 0 to 1, None where it is not known."""

    def close(self) -> None:
        """No more states will follow."""


def progress_bar(title: str) -> Progress:
    """The progress bar that suits where this runs."""
    try:
        from IPython import get_ipython
    except ImportError:
        return TerminalProgress(title)
    shell = get_ipython()
    return NotebookProgress(title) if hasattr(shell, "kernel") else TerminalProgress(title)


class NotebookProgress:
    """An output of the cell, updated in place."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._begin = time.monotonic()
        self._handle: Any = None

    def show(self, phase: str, fraction: float | None, message: str) -> None:
        from IPython.display import display

        seconds = f"{time.monotonic() - self._begin:.0f} s"
        done = 1.0 if phase == "COMPLETED" else fraction
        words = [self._title, phase, message if phase != "QUEUED" else "", seconds]
        if done is not None and phase == "EXECUTING":
            words.insert(2, f"{done:.0%}")
        text = ", ".join(word for word in words if word)
        # without a value the browser shows that something goes on
        value = "" if phase == "QUEUED" else f' value="{done or 0:.3f}"'
        html = f'<div><progress max="1"{value} style="width:12em"></progress> {escape(text)}</div>'
        bundle = {"text/plain": text, "text/html": html}
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(bundle, raw=True)

    def close(self) -> None:
        pass


class TerminalProgress:
    """A tqdm bar on standard error."""

    def __init__(self, title: str) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=100, desc=title, bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}")

    def show(self, phase: str, fraction: float | None, message: str) -> None:
        self._bar.n = 100 if phase == "COMPLETED" else round(100 * (fraction or 0.0))
        self._bar.set_postfix_str((message if phase == "EXECUTING" and message else phase)[:80], refresh=False)
        self._bar.refresh()

    def close(self) -> None:
        self._bar.close()
