"""What the batch systems of the tests have in common: daemons in a folder of their own, ended with all they started.

Processes are found again by a variable of their environment that names the folder.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest


@dataclass
class Daemons:
    """A batch system that runs. Programs find it by ``environment``, whose first variable is of no other one."""

    folder: Path
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        raise NotImplementedError

    def call(self, *argv: str | Path, timeout: float = 30) -> str:
        """What a client program prints. Raises CalledProcessError."""
        done = subprocess.run(
            argv, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=timeout, check=True
        )
        return done.stdout

    def launch(self, name: str, argv: list[str], **environment: str) -> None:
        """Start a daemon that stays in the foreground."""
        variables = {**os.environ, **self.environment, **environment}
        with (self.folder / f"{name}.out").open("ab") as out:
            self.daemons[name] = subprocess.Popen(argv, env=variables, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def stop(self, name: str, signum: int = signal.SIGTERM) -> None:
        """End a daemon that was started here."""
        daemon = self.daemons.pop(name)
        daemon.send_signal(signum)
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def end_jobs(self) -> None:
        """End all jobs, and wait until nothing of them is left."""
        raise NotImplementedError

    def down(self) -> None:
        """Stop everything that was started here, jobs first."""
        try:
            with contextlib.suppress(subprocess.SubprocessError, TimeoutError):
                self.end_jobs()
        finally:
            for name in reversed(list(self.daemons)):
                self.stop(name)
            # what runs the steps of jobs leaves the tree of its daemon
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def processes(self) -> list[int]:
        """The live processes, but for this one, that have our folder's name in their environment."""
        mark = "=".join(next(iter(self.environment.items()))).encode()
        found = []
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError):
                if name.isdigit() and mark in Path(f"/proc/{name}/environ").read_bytes().split(b"\0"):
                    found.append(int(name))
        return [pid for pid in found if pid != os.getpid()]

    def until(self, condition: Callable[[], object], failure: str, seconds: float = 90) -> None:
        """Wait for it. Raises TimeoutError with what the daemons' logs say."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = sorted([*self.folder.glob("*.log"), *self.folder.glob("*.out")])
                said = "\n".join(path.read_text(errors="replace")[-1500:] for path in logs)
                raise TimeoutError(f"{failure}; the logs say:\n{said}")
            time.sleep(0.05)


Running = TypeVar("Running", bound=Daemons)


@contextlib.contextmanager
def for_tests(
    start: Callable[[], AbstractContextManager[Running]], programs: Mapping[str, str], need: Callable[[str, str], str]
) -> Iterator[Running]:
    """A batch system that this process's client programs find; where it cannot be had the test skips, in CI it fails.

    ``programs`` maps a program to the package that has it.
    """
    for program, package in programs.items():
        need(program, package)
    if os.geteuid() != 0:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("needs root: the daemons of batch systems run as root")
    with start() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running


def free_ports(count: int, first: int = 17000) -> list[int]:
    """``count`` free ports in a row, below those the kernel deals out.

    From a random one on: another test run on this machine, which looks at the same time, is to find others.
    """
    starts = range(first, 30000, 10)
    offset = random.randrange(len(starts))
    for start in (*starts[offset:], *starts[:offset]):
        with contextlib.ExitStack() as stack:
            try:
                for port in range(start, start + count):
                    stack.enter_context(socket.socket()).bind(("", port))
            except OSError:
                continue
            return list(range(start, start + count))
    raise OSError("no free ports")


def by_hand(start: Callable[[], AbstractContextManager[Daemons]]) -> None:
    """Start it for a shell: print what to export, end with Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell starts its background jobs with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    begin = time.monotonic()
    with start() as running, contextlib.suppress(KeyboardInterrupt):
        print(f"# up after {time.monotonic() - begin:.1f} s; Ctrl-C takes it down")
        print(*(f"export {name}={value}" for name, value in running.environment.items()), sep="\n", flush=True)
        signal.pause()
