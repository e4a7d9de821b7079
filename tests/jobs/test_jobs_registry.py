"""The registry: what entry points give, and what a broken one does to the others."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from jupyter_uws.analysis.sleeper import sleeper
from jupyter_uws.jobs.registry import GROUP, Registry, load_registry, registry_of

SLEEPER = EntryPoint("sleeper", "jupyter_uws.analysis.sleeper:sleeper", GROUP)


def test_a_broken_entry_point_is_logged_and_the_others_work(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    found = [
        EntryPoint("broken", "broken_job_module:job", GROUP),
        EntryPoint("gone", "no_such_module:job", GROUP),
        EntryPoint("no-job", "json:dumps", GROUP),
        SLEEPER,
    ]
    with caplog.at_level(logging.WARNING):
        registry = registry_of(found)
    assert list(registry) == ["sleeper"]
    assert registry["sleeper"].entry_point == "jupyter_uws.analysis.sleeper:sleeper"
    assert registry.problems["broken"] == "RuntimeError: no licence found"
    assert "no_such_module" in registry.problems["gone"]
    assert "json:dumps" in registry.problems["no-job"]
    assert all(name in caplog.text for name in ("broken", "gone", "no-job", "no licence found"))


def test_two_packages_cannot_claim_one_name() -> None:
    other = EntryPoint("sleeper", "jupyter_uws.analysis.quicklook:quicklook", GROUP)
    registry = registry_of([SLEEPER, SLEEPER, other])
    assert registry["sleeper"].entry_point == "jupyter_uws.analysis.sleeper:sleeper"
    assert "both claim the name" in registry.problems["sleeper"]


def test_a_registry_of_functions() -> None:
    registry = Registry.of(sleeper)
    assert dict(registry) == {"sleeper": registry["sleeper"]}
    assert load_registry("no.such.group") == {}


def test_describing_the_jobs_imports_none_of_their_libraries() -> None:
    """The service and the Jupyter server describe jobs; only the job's process pays for gammapy."""
    code = f"""
import json, sys
from importlib.metadata import EntryPoint
from jupyter_uws.jobs.registry import registry_of
names = ["sleeper", "quicklook", "spectrum", "theta2", "lightcurve", "cube", "cutout", "sensitivity"]
registry = registry_of([EntryPoint(n, f"jupyter_uws.analysis.{{n}}:{{n}}", {GROUP!r}) for n in names])
heavy = {{"gammapy", "matplotlib", "dask", "distributed", "astropy", "numpy", "scipy", "duckdb", "tornado"}}
print(json.dumps([sorted(registry), sorted(heavy & set(sys.modules))]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    registry, heavy = json.loads(done.stdout)
    assert len(registry) == 8
    assert heavy == []
