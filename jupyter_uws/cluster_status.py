"""``jupyter uws cluster``: workers, allocations, the queue and recent failures; the job script."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from . import launcher, rendezvous


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("cluster", help="tell where jobs run and what they wait for", description=__doc__)
    parser.add_argument("--state-dir", metavar="DIR", help="the service's state folder ($JUPYTER_UWS_STATE_DIR)")
    parser.add_argument(
        "--script", action="store_true", help="print the job script that is submitted for a worker; needs no service"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the state of the cluster, or the script; 1 where there is no service, or no batch system."""
    try:
        state_dir = rendezvous.state_dir(arguments.state_dir)
        if arguments.script:
            print(script(state_dir), end="")
            return 0
        cluster = asyncio.run(ask(state_dir))
    except (rendezvous.RendezvousError, launcher.ServiceError, TimeoutError, ValueError) as error:
        print(f"jupyter uws cluster: {error}", file=sys.stderr)
        return 1
    if cluster is None:
        print("jupyter uws cluster: no service runs here (see jupyter uws status)", file=sys.stderr)
        return 1
    print("\n".join(lines(cluster)))
    return 0


async def ask(state_dir: Path) -> dict[str, Any] | None:
    """What the service says of its cluster; None where none runs. Raises ServiceError."""
    if await launcher.health(state_dir) is None:
        return None
    socket, secret = launcher.address(state_dir), rendezvous.secret(state_dir)
    code, body = await launcher.call(socket, "GET", "/cluster", secret, 5.0)
    if code != 200:
        raise launcher.ServiceError(
            f"the service does not tell of its cluster (status {code}): end it, it is an old one"
        )
    return dict(json.loads(body))


def lines(cluster: dict[str, Any]) -> list[str]:
    """The state of the cluster in a few lines of text."""
    there = f"{cluster['workers']} of at most {cluster['workers_max']} workers"
    found = [
        f"cluster  {cluster['backend']}, {there if cluster['started'] else 'not started: no job has come'}",
        f"jobs     {cluster['running']} running, {cluster['waiting']} waiting",
    ]
    if cluster.get("dashboard"):
        found.append(f"dashboard  {cluster['root'] or 'jupyter-uws/'}dashboard/status")
    for each in cluster["allocations"]:
        name = each.get("job_id") or each.get("name") or each["worker"]
        state = each.get("state", "up")
        if state == "up":
            state = "helps" if each.get("helps") else "busy" if each["busy"] else "idle"
        about = [each.get("reason") or each["worker"], each.get("shape"), each.get("helps")]
        found.append(f"  {name:>10} {state:10} {'  '.join(filter(None, about))}".rstrip())
    found += [f"failure  {time} {words}" for time, words in cluster["failures"][-5:]]
    return found


def script(state_dir: Path) -> str:
    """The job script of the configuration. Raises ValueError where there is no batch system in it."""
    from .execution.batch import CLASSES, job_script
    from .execution.executor import CLUSTER
    from .service.config import ServeApp

    app = ServeApp()
    app.load_config_file()
    config = app.cluster()
    if config.backend not in CLASSES:
        raise ValueError(
            f"the backend is {config.backend!r}, which needs no job script; "
            "c.ServeApp.backend in jupyter_uws_config.py says which it is"
        )
    return job_script(config.backend, config.options, state_dir / "jobs" / CLUSTER)
