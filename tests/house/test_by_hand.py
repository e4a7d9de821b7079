"""What benchmarks/by_hand.ipynb compares: our lines are few, and stay so."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / "benchmarks" / "by_hand.py"


def test_a_tenth_of_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("by_hand", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "by_hand", module)
    spec.loader.exec_module(module)
    found = module.effort()
    by_hand, ours = found["by hand"], found["with jupyter_uws"]
    assert 0 < 10 * ours.lines < by_hand.lines
    assert 0 < 10 * ours.keystrokes < by_hand.keystrokes
