"""``jupyter uws status``: what runs where."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

from . import launcher, rendezvous


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("status", help="tell what runs where", description=__doc__)
    parser.add_argument("--state-dir", metavar="DIR", help="the service's state folder ($JUPYTER_UWS_STATE_DIR)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what the service of the state folder says of itself; 0 where one runs, 1 where none does."""
    try:
        state_dir = rendezvous.state_dir(arguments.state_dir)
        health = asyncio.run(launcher.health(state_dir))
    except (rendezvous.RendezvousError, launcher.ServiceError) as error:
        print(f"jupyter uws status: {error}", file=sys.stderr)
        return 1
    info = rendezvous.read_info(state_dir)
    if health is None:
        elsewhere = rendezvous.runs_elsewhere(state_dir)
        if elsewhere is not None:
            print(f"service  runs on {elsewhere.host} (pid {elsewhere.pid}), seen from here only by its state folder")
        else:
            print("service  not running; it starts with the first use in JupyterLab, or by: jupyter uws serve")
        print(f"state    {state_dir}")
        return 1
    for name, value in _lines(health, info):
        print(f"{name:8} {value}")
    return 0


def _lines(health: dict[str, Any], info: rendezvous.ServiceInfo | None) -> list[tuple[str, str]]:
    since = f", since {info.started}" if info else ""
    lines = [("service", f"version {health['version']}, pid {health['pid']} on {health['host']}{since}")]
    if info is not None and info.url:
        lines.append(("url", info.url))
    if info is not None and info.socket:
        lines.append(("socket", info.socket))
    lines.append(("archive", health["archive"]))
    lines.append(("jobs", f"{health['active_jobs']} active"))
    lines.append(("cluster", ", ".join(f"{name} {value}" for name, value in health["execution"].items())))
    lines.append(("state", health["state_dir"]))
    return lines
