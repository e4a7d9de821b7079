"""What a UWS server's requests cost it, and how many clients may wait: ours, or any other by URL.

``python benchmarks/uws.py`` starts a service of ours; ``--quick`` takes a million jobs fewer.
``python benchmarks/uws.py --url https://host/service/jobs --token T --pid N -d NAME=VALUE`` measures another one:
the URL is that of a job list, the pid that of its server process where this is its machine. It is given as many
jobs as ``--jobs`` says, and all of them are deleted again.

CPU time of the server process counts: wall time depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psutil

TOKEN = "benchmark"  # noqa: S105 (of a service that lives for this benchmark)
OWNER = "alice"


@dataclass
class Table:
    rows: list[tuple[str, float, float | None, str]] = field(default_factory=list)

    def add(self, name: str, measured: float, unit: str = "ms CPU", target: float | None = None) -> None:
        self.rows.append((name, measured, target, unit))
        print(self.line(*self.rows[-1]), flush=True)

    @staticmethod
    def line(name: str, measured: float, target: float | None, unit: str) -> str:
        goal = f"{target:10.4g} {measured / target:7.2f}" if target else f"{'':18}"
        missed = "  MISSED" if target and measured > target else ""
        return f"{name:52} {measured:10.4g} {goal}  {unit}{missed}"

    def print(self) -> None:
        print(f"\nload average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        print(f"\n{'':52} {'measured':>10} {'target':>10} {'ratio':>7}")
        for row in self.rows:
            print(self.line(*row))


@dataclass
class Server:
    """A job list by URL, and the process behind it where it is known."""

    url: str
    token: str
    parameters: dict[str, str]
    pid: int | None

    def __post_init__(self) -> None:
        self.parts = urlsplit(self.url)
        self.path = self.parts.path
        self.headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        self.connection: http.client.HTTPConnection | None = None

    def __call__(self, method: str, path: str, body: str | None = None) -> tuple[int, str, bytes]:
        """Status, Location and body; the connection is kept."""
        kind = http.client.HTTPSConnection if self.parts.scheme == "https" else http.client.HTTPConnection
        self.connection = self.connection or kind(self.parts.hostname or "", self.parts.port, timeout=120)
        headers = dict(self.headers)
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        return response.status, response.headers.get("Location", ""), response.read()

    def create(self, run: bool = False, **more: str) -> str:
        """A new job; returns the path of its URL."""
        status, location, body = self(
            "POST", self.path, urlencode({**self.parameters, **more, **({"PHASE": "RUN"} if run else {})})
        )
        if status != 303:
            sys.exit(f"creation was answered {status}: {body[:300]!r}")
        return urlsplit(location).path

    def cpu(self) -> float:
        """CPU time of the process so far [s]; wall time where it is not known."""
        if self.pid is None:
            return time.perf_counter()
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    def rss(self) -> float:
        return psutil.Process(self.pid).memory_info().rss / 1e6 if self.pid else float("nan")

    def cost(self, work: Callable[[], object], count: int) -> float:
        """CPU milliseconds of the server for each of ``count`` calls, after some to warm up."""
        for _ in range(min(count, 20)):
            work()
        before = self.cpu()
        for _ in range(count):
            work()
        return 1000 * (self.cpu() - before) / count


def good(answer: tuple[int, str, bytes]) -> bytes:
    if answer[0] != 200:
        sys.exit(f"a GET was answered {answer[0]}: {answer[2][:300]!r}")
    return answer[2]


# -- single requests


def requests(server: Server, table: Table, jobs: int, label: str, before: dict[str, float]) -> dict[str, float]:
    """Create, GET and lists; each against its target, and against twice what it was ``before``."""
    job = server.create()
    found: dict[str, float] = {}
    targets = {"create": 2.0, "GET job": 1.5, "GET phase": None, "GET list LAST=10": 1.5}
    work: dict[str, Callable[[], object]] = {
        "create": server.create,
        "GET job": lambda: good(server("GET", job)),
        "GET phase": lambda: good(server("GET", f"{job}/phase")),
        "GET list LAST=10": lambda: good(server("GET", f"{server.path}?LAST=10")),
    }
    for name, call in work.items():
        found[name] = server.cost(call, 500)
        target = 2 * before[name] if name in before else targets[name]
        table.add(f"{name}, {label}", found[name], server_unit(server), target)
    if not before:
        body = good(server("GET", server.path))
        listed = len(re.findall(rb"<(?:\w+:)?jobref\b", body))
        cost = server.cost(lambda: good(server("GET", server.path)), 20)
        target = 60.0 * listed / 10_000 if listed >= jobs else None
        table.add(f"list of {listed} jobs, {len(body) / 1e6:.1f} MB", cost, server_unit(server), target)
    return found


def server_unit(server: Server) -> str:
    return "ms CPU" if server.pid else "ms wall"


# -- many clients at once


def allow_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))


async def get(server: Server, path: str, **headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = server.parts.hostname, server.parts.port or (443 if server.parts.scheme == "https" else 80)
    reader, writer = await asyncio.open_connection(host, port, ssl=server.parts.scheme == "https" or None)
    lines = "".join(f"{name}: {value}\r\n" for name, value in {**server.headers, **headers}.items())
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {server.parts.netloc}\r\n{lines}\r\n".encode())
    return reader, writer


async def probe(server: Server, path: str, seconds: float) -> list[float]:
    """Wall milliseconds of a plain GET every 10 ms, each over the same connection."""
    reader, writer = await get(server, path, Connection="keep-alive")
    request = f"GET {path} HTTP/1.1\r\nHost: {server.parts.netloc}\r\n"
    request += "".join(f"{name}: {value}\r\n" for name, value in server.headers.items()) + "\r\n"
    found: list[float] = []
    end = time.perf_counter() + seconds
    started = time.perf_counter()
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        found.append(1000 * (time.perf_counter() - started))
        if time.perf_counter() > end:
            writer.close()
            return found
        await asyncio.sleep(0.01)
        started = time.perf_counter()
        writer.write(request.encode())


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


async def waits(server: Server, table: Table, count: int) -> None:
    """So many long polls on one PENDING job while another is read; then the one changes and all are answered."""
    job, other = server.create(), server.create()
    files = psutil.Process(server.pid).num_fds() if server.pid else 0
    readers = []
    for start in range(0, count, 200):
        many = (get(server, f"{job}?WAIT=60") for _ in range(min(200, count - start)))
        readers += await asyncio.gather(*many)
    await probe(server, other, 1.0)
    table.add(f"GET p95 beside {count} waits", p95(await probe(server, other, 5.0)), "ms wall", 20.0)
    table.add(f"memory with {count} waits", server.rss(), "MB", 400.0)
    beside = asyncio.create_task(probe(server, other, 1.0))
    await asyncio.sleep(0.1)
    started, cpu = time.perf_counter(), server.cpu()
    await asyncio.to_thread(server, "POST", f"{job}/phase", "PHASE=ABORT")
    heads = await asyncio.gather(*(reader.readuntil(b"\r\n\r\n") for reader, _ in readers))
    table.add(f"one change answers {count} waits", time.perf_counter() - started, "s wall")
    table.add(f"one change answers {count} waits", server.cpu() - cpu, "s CPU")
    table.add("GET p95 meanwhile", p95(await beside), "ms wall")
    answered = sum(head.startswith(b"HTTP/1.1 200") for head in heads)
    table.add("waits not answered with 200", count - answered, "")
    for _, writer in readers:
        writer.close()
    if server.pid:
        process, end = psutil.Process(server.pid), time.monotonic() + 10
        while process.num_fds() > files and time.monotonic() < end:
            await asyncio.sleep(0.1)
        table.add("files still open 10 s later", process.num_fds() - files, "")


async def follow(server: Server, path: str, jobs: int, ready: asyncio.Event) -> tuple[float, int, int]:
    """One stream until all jobs are COMPLETED: when that was, how many events it took, and how many went backwards."""
    reader, writer = await get(server, path)
    order = [b"P", b"Q", b"E", b"C"]
    event = re.compile(rb'"job_id":"([^"]+)","job_type":"burst","phase":"(\w)')
    last: dict[bytes, int] = {}
    count = backwards = completed = 0
    rest = b""
    while completed < jobs:
        piece = await reader.read(2**20)
        if not piece:
            sys.exit("an event stream ended")
        if b"event: ready" in piece:
            ready.set()
        head, found, tail = (rest + piece).rpartition(b"\n\n")
        rest = tail
        for job, phase in event.findall(head + found):
            now = order.index(phase)
            before = last.get(job, 0)
            count += 1
            backwards += now < before
            completed += now == 3 and before != 3
            last[job] = now
    writer.close()
    return time.perf_counter(), count, backwards


async def burst(server: Server, table: Table, clients: int, jobs: int) -> None:
    """So many jobs start and end, as fast as the service takes it, while so many event streams are open."""
    burst_list = Server(server.url.replace("/sleeper", "/burst"), server.token, {}, server.pid)
    for _ in range(jobs):
        burst_list.create(run=True)
    path = server.path.replace("/uws/sleeper", "/uws/events?type=burst")
    signs = [asyncio.Event() for _ in range(clients)]
    streams = [asyncio.create_task(follow(server, path, jobs, ready)) for ready in signs]
    await asyncio.gather(*(ready.wait() for ready in signs))
    memory = server.rss()
    started, cpu = time.perf_counter(), server.cpu()
    await asyncio.to_thread(burst_list.create, run=True, go="1")
    done = await asyncio.gather(*streams)
    name = f"{2 * jobs} changes of phase reach {clients} streams"
    table.add(name, max(end for end, _, _ in done) - started, "s wall", 5.0)
    table.add(name, server.cpu() - cpu, "s CPU")
    table.add("events sent to each, coalesced", statistics.mean(count for _, count, _ in done), "")
    table.add("events that went backwards", sum(backwards for _, _, backwards in done), "")
    table.add("memory grown by", server.rss() - memory, "MB")


# -- a service of ours, with one job type more


def serve(folder: Path) -> None:
    """The real service, and the job type ``burst``: a job with a parameter starts and ends all others."""
    from jupyter_uws import rendezvous
    from jupyter_uws.service.app import Service, Settings
    from jupyter_uws.uws.executor import Report
    from jupyter_uws.uws.manager import JobType
    from jupyter_uws.uws.model import Job
    from jupyter_uws.uws.times import utcnow

    service = Service(Settings(state_dir=folder, socket=folder / "socket", port=0, token=TOKEN))
    service.access.owner = OWNER

    class Burst:
        def __init__(self) -> None:
            self.jobs: list[Job] = []

        async def start(self, job: Job) -> None:
            if not job.parameters:
                self.jobs.append(job)
            else:
                self.task = asyncio.ensure_future(self.live(job))

        async def live(self, beginner: Job) -> None:
            kinds: list[Any] = ["started", "completed"]
            for kind in kinds:
                for number, job in enumerate([*self.jobs, beginner]):
                    info = {"worker": "node017-3", "progress": 0.5, "message": "run 2 of 4"}
                    service.manager.report(Report(job.job_id, job.run, kind, utcnow(), info=info))
                    if number % 10 == 0:  # reports come in small batches
                        await asyncio.sleep(0)

    kind = JobType("burst", Burst(), lambda values, complete: {k: list(v) for k, v in values.items()})  # type: ignore[arg-type]
    service.manager.types = {**service.manager.types, "burst": kind}
    with rendezvous.hold_lock(folder):
        asyncio.run(service.run(lambda url: print(url, flush=True)))


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Server]:
    command = [sys.executable, __file__, "--serve", str(folder)]
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert process.stdout
        url = process.stdout.readline().strip()
        if not url:
            sys.exit((folder / "stderr").read_text())
        yield Server(f"{url}uws/sleeper", TOKEN, {"duration": "1"}, process.pid)
    except OSError as error:
        sys.exit(f"{error}\n{(folder / 'stderr').read_text()[-3000:]}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def fill(folder: Path, count: int, owners: int = 1) -> None:
    """Put ended jobs into the store's table; the caller's are one in ``owners``."""
    from jupyter_uws.uws.model import Job, Result
    from jupyter_uws.uws.phases import Phase
    from jupyter_uws.uws.schema import encode, jobs
    from jupyter_uws.uws.store import JobStore

    store = JobStore(f"sqlite:///{folder / 'jobs.sqlite'}")
    now = datetime.now(UTC)
    phases = [Phase.COMPLETED, Phase.ERROR, Phase.COMPLETED, Phase.ABORTED]
    result = (Result("report", "report.txt", "text/plain", 17),)

    def row(number: int) -> dict[str, object]:
        created = now - timedelta(seconds=count - number)
        job = Job(
            job_id=f"{created:%Y%m%d}-{os.urandom(5).hex()}",
            job_type="sleeper",
            owner=OWNER if number % owners == 0 else f"user{number % 997}",
            phase=phases[number % len(phases)],
            creation_time=created,
            start_time=created,
            end_time=created + timedelta(seconds=1),
            destruction=now + timedelta(days=30),
            execution_duration=3600,
            parameters={"duration": ["1"], "fail": ["false"]},
            results=result,
            info={"worker": "1", "progress": 1.0},
        )
        return encode({name: getattr(job, name) for name in Job.__dataclass_fields__})

    for start in range(0, count, 20_000):
        with store.database.transaction() as connection:
            connection.execute(jobs.insert(), [row(number) for number in range(start, min(start + 20_000, count))])
    store.close()


def measure_ours(table: Table, arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder, arguments.jobs)
        with started(folder) as server:
            table.add("memory at the start", server.rss(), "MB")
            before = requests(server, table, arguments.jobs, f"{arguments.jobs} jobs", {})
            asyncio.run(waits(server, table, arguments.waits))
            asyncio.run(burst(server, table, 100, 5000))
        if not arguments.quick:
            fill(folder, 1_000_000 - arguments.jobs, owners=2)
            with started(folder) as server:
                requests(server, table, arguments.jobs, "1 000 000 jobs", before)
                table.add("memory after these", server.rss(), "MB")


def measure_other(table: Table, arguments: argparse.Namespace) -> None:
    server = Server(arguments.url.rstrip("/"), arguments.token, dict(arguments.data), arguments.pid)
    made = [server.create() for _ in range(arguments.jobs)]
    try:
        requests(server, table, arguments.jobs, f"{arguments.jobs} jobs", {})
        asyncio.run(waits(server, table, arguments.waits))
    finally:
        for path in made:
            server("DELETE", path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="a job list of another server")
    parser.add_argument("--token", default="", help="sent as 'Authorization: Bearer'")
    parser.add_argument("--pid", type=int, help="its process on this machine")
    parser.add_argument(
        "-d", dest="data", action="append", default=[], type=lambda text: text.split("=", 1), help="NAME=VALUE of a job"
    )
    parser.add_argument("--jobs", type=int, default=10_000, help="jobs in the list")
    parser.add_argument("--waits", type=int, default=5000, help="concurrent WAIT=60")
    parser.add_argument("--quick", action="store_true", help="without the million jobs")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    allow_files()
    table = Table()
    (measure_other if arguments.url else measure_ours)(table, arguments)
    table.print()


if __name__ == "__main__":
    main()
