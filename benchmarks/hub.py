"""A shared service under a real JupyterHub, with many users at once: memory, and how long plain requests take.

``make bench ARGS="hub --users 200 --streams 5 --rate 20 --seconds 600"``. Every user has event streams open, through
the Hub's proxy; jobs (``true``) are created for one user after the other; beside that lists are read every 20 ms.
At the end it says what was reached of what was asked for: jobs a second, memory at the end against that after the first
minute, the time of plain requests, and whether every stream was there until the end and told of its user's jobs.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import logging
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import psutil
from tornado.httpclient import AsyncHTTPClient, HTTPRequest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "hub")]

from hubs import RunningHub, install_proxy, run_hub  # noqa: E402

from jupyter_uws.archive.ingest import add_store  # noqa: E402
from jupyter_uws.archive.simulation import simulate  # noqa: E402

INTERVAL = 0.02
NOTHING = "name: nothing\ncommand: ['true']\n"


@dataclass
class Load:
    hub: RunningHub
    tokens: list[str]
    client: AsyncHTTPClient
    ready: int = 0
    broken: int = 0
    events: list[int] = field(default_factory=list)
    created: int = 0
    refused: int = 0
    times: list[float] = field(default_factory=list)

    def request(self, token: str, path: str, **more: object) -> HTTPRequest:
        headers = {"Authorization": f"Bearer {token}"}
        options = {"request_timeout": 60.0, "follow_redirects": False, **more}
        return HTTPRequest(self.hub.service + path, headers=headers, **options)  # type: ignore[arg-type]

    async def listen(self, token: str) -> None:
        """One event stream; one that ends before the benchmark does is broken."""
        number = len(self.events)
        self.events.append(0)

        def take(chunk: bytes) -> None:
            self.events[number] += chunk.count(b"event: job")
            self.ready += chunk.count(b"event: ready")

        stream = self.request(token, "uws/events", streaming_callback=take, request_timeout=0)
        await self.client.fetch(stream, raise_error=False)
        self.broken += 1

    async def create(self, token: str) -> None:
        form = urlencode({"PHASE": "RUN"})
        answer = await self.client.fetch(
            self.request(token, "uws/nothing", method="POST", body=form), raise_error=False
        )
        if answer.code == 303:
            self.created += 1
        else:
            self.refused += 1

    async def submit(self, rate: float) -> None:
        under_way = set()
        for number, token in enumerate(itertools.cycle(self.tokens)):
            task = asyncio.ensure_future(self.create(token))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            if number == 0:
                start = time.monotonic()
            await asyncio.sleep(max(0.0, start + (number + 1) / rate - time.monotonic()))

    async def read(self) -> None:
        for token in itertools.cycle(self.tokens):
            start = time.perf_counter()
            await self.client.fetch(self.request(token, "uws?LAST=5"))
            self.times.append(time.perf_counter() - start)
            await asyncio.sleep(INTERVAL)


async def bench(hub: RunningHub, arguments: argparse.Namespace) -> None:
    names = [f"user{number:03}" for number in range(arguments.users)]
    assert hub.api("POST", "users", json={"usernames": names}).ok
    tokens = [hub.new_token(name)["token"] for name in names]
    client = AsyncHTTPClient(max_clients=arguments.users * arguments.streams + 200)
    load = Load(hub, tokens, client)
    health = json.loads((await client.fetch(load.request(tokens[0], "health"))).body)
    service = psutil.Process(health["pid"])
    print(f"idle: {service.memory_info().rss / 1e6:.0f} MB")
    tasks = []
    for token in tokens:
        tasks += [asyncio.ensure_future(load.listen(token)) for _ in range(arguments.streams)]
        await asyncio.sleep(0.01)
    while load.ready < len(tasks):
        await asyncio.sleep(0.1)
    print(f"{len(tasks)} event streams of {len(tokens)} users: {service.memory_info().rss / 1e6:.0f} MB")
    work = [asyncio.ensure_future(load.submit(arguments.rate)), asyncio.ensure_future(load.read())]
    print("   s    MB   CPU  created  active   events   p50 ms   p95 ms  (of the interval)   open files")
    begin, everything, memory, busy = time.monotonic(), [], [], seconds_of(service)
    while (now := time.monotonic() - begin) < arguments.seconds:
        await asyncio.sleep(min(arguments.every, arguments.seconds - now + 0.01))
        for task in work:
            if task.done():
                task.result()  # it never ends but by an error
        times, load.times = load.times, []
        everything += times
        median, late = quantiles(times)
        health = json.loads((await client.fetch(load.request(tokens[0], "health"))).body)
        spent, busy = seconds_of(service) - busy, seconds_of(service)
        lasted = time.monotonic() - begin - now
        memory.append((time.monotonic() - begin, service.memory_info().rss / 1e6))
        print(
            f"{memory[-1][0]:4.0f} {memory[-1][1]:5.0f} {spent / lasted:5.0%} {load.created:8} "
            f"{health['active_jobs']:7} {sum(load.events):8} {median:8.1f} {late:8.1f} {service.num_fds():28}",
            flush=True,
        )
    lasted = time.monotonic() - begin
    median, late = quantiles(everything)
    print(f"{len(everything)} plain requests: p50 {median:.1f} ms, p95 {late:.1f} ms")
    print(f"{load.created / lasted:.1f} jobs a second of {arguments.rate:g}, {load.refused} refused")
    first = next((size for after, size in memory if after >= 60), memory[0][1])
    print(f"memory: {memory[-1][1]:.0f} MB at the end, {memory[-1][1] - first:+.0f} MB since the first minute")
    deaf = sum(not events for events in load.events[: load.created * arguments.streams])
    print(f"event streams: {load.broken} of {len(load.events)} broke, {deaf} told of no job")
    # the streams break off now, and say so
    logging.disable(logging.CRITICAL)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    for task in [*tasks, *work]:
        task.cancel()
    await asyncio.gather(*tasks, *work, return_exceptions=True)
    client.close()


def seconds_of(process: psutil.Process) -> float:
    """What a process has had of a processor, in seconds."""
    times = process.cpu_times()
    return float(times.user + times.system)


def quantiles(times: list[float]) -> tuple[float, float]:
    """Median and 95th percentile in milliseconds."""
    if len(times) < 2:
        return 1000 * sum(times), 1000 * sum(times)
    cuts = statistics.quantiles(times, n=20)
    return 1000 * cuts[9], 1000 * cuts[18]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--streams", type=int, default=5, help="event streams of each user")
    parser.add_argument("--rate", type=float, default=20.0, help="jobs a second")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two lines")
    arguments = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        (here / "descriptions").mkdir()
        (here / "descriptions" / "nothing.yaml").write_text(NOTHING)
        add_store(here / "archive.duckdb", simulate(here / "sim-dr1", energy_min=0.5))
        option = f"--ServeApp.descriptions={here / 'descriptions'}"
        with run_hub(here, here / "archive.duckdb", install_proxy(), option) as hub:
            asyncio.run(bench(hub, arguments))


if __name__ == "__main__":
    main()
