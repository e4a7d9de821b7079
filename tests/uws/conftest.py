"""A UWS application over an executor that does nothing by itself: the test plays the cluster."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import tornado.httpserver
import tornado.netutil
import tornado.web
from tornado.httpclient import AsyncHTTPClient, HTTPResponse

from jupyter_uws.uws import handlers
from jupyter_uws.uws.errors import UsageError, UWSError
from jupyter_uws.uws.executor import Report
from jupyter_uws.uws.fetch import Fetched, FetchError
from jupyter_uws.uws.manager import JobManager, JobType
from jupyter_uws.uws.model import ErrorSummary, Job, Result
from jupyter_uws.uws.store import JobStore
from jupyter_uws.uws.times import utcnow
from jupyter_uws.uws.uploads import FileRule


@dataclass
class HandExecutor:
    """Jobs go on when the test says so."""

    folder: Path
    calls: list[tuple[str, str, int]] = field(default_factory=list)
    manager: JobManager | None = None

    async def start(self, job: Job) -> None:
        self.calls.append(("start", job.job_id, job.run))

    async def abort(self, job: Job) -> None:
        self.calls.append(("abort", job.job_id, job.run))
        self.say(job, "aborted")

    async def settle(self, job: Job) -> None:
        self.calls.append(("settle", job.job_id, job.run))

    async def delete(self, job: Job) -> None:
        self.calls.append(("delete", job.job_id, job.run))

    async def measure(self, job: Job) -> int:
        return sum(file.stat().st_size for file in (self.folder / job.job_id).rglob("*") if file.is_file())

    async def close(self) -> None:
        pass

    def say(self, job: Job, kind: str, **more: object) -> None:
        assert self.manager is not None
        self.manager.report(Report(job.job_id, job.run, kind, utcnow(), **more))  # type: ignore[arg-type]

    def complete(self, job: Job) -> None:
        """As a cluster would: started, a file written, completed."""
        work = self.folder / job.job_id
        work.mkdir(parents=True)
        (work / "map.txt").write_text("0123456789")
        (work / "stdout").write_text("hello\n")
        self.say(job, "started")
        self.say(job, "completed", results=(Result("map", "map.txt", "text/plain", 10),))

    def fail(self, job: Job) -> None:
        self.say(job, "started")
        self.say(job, "failed", error=ErrorSummary("no data", detail="Traceback"))

    def result(self, job: Job, name: str) -> Path:
        return self.folder / job.job_id / name

    def log(self, job: Job, stream: str) -> Path:
        return self.folder / job.job_id / stream

    def folder_of(self, job_id: str) -> Path:
        return self.folder / job_id

    async def fetch(self, url: str, target: Path, max_size: int) -> Fetched:
        """The one URL that can be fetched here."""
        if url.partition("?")[0] != "http://data.site.org/list.txt":
            raise FetchError(f"the URL '{url}' is refused")
        target.write_bytes(b"1 2 3")
        return Fetched(5, hashlib.sha256(b"1 2 3").hexdigest(), "text/plain", "list.txt")


def validate(values: Mapping[str, Sequence[str]], complete: bool) -> dict[str, list[str]]:
    found = {name.upper(): list(texts) for name, texts in values.items()}
    if unknown := set(found) - {"RA", "OBS_IDS", "TABLE", "IMAGES"}:
        raise UsageError(f"unknown parameter {unknown.pop()}")
    if complete and "RA" not in found:
        raise UsageError("RA is required")
    return found


@pytest.fixture
def executor(tmp_path: Path) -> HandExecutor:
    return HandExecutor(tmp_path / "jobs")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind there is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    return str(request.getfixturevalue("postgresql").empty())


@pytest.fixture
def store(store_url: str) -> Iterator[JobStore]:
    store = JobStore(store_url)
    yield store
    store.close()


def resources(asked: Mapping[str, str]) -> dict[str, str]:
    """One core and 4096 MiB, unless the client asks for others, of at most 4 cores."""
    if asked.get("cores", "1") not in {"1", "2", "3", "4"}:
        raise UsageError(f"CORES '{asked['cores']}' is more than the 4 that a job may have here")
    return {"cores": asked.get("cores", "1"), "memory": asked.get("memory", "4096 MiB")}


@pytest.fixture
async def manager(store: JobStore, executor: HandExecutor) -> AsyncIterator[JobManager]:
    kind = JobType(
        "quicklook",
        executor,
        validate,
        execution_duration=600,
        execution_duration_max=7200,
        files={"TABLE": FileRule(("text/*", "application/fits"), 1000), "IMAGES": FileRule()},
        resources=resources,
        resource_names=frozenset({"cores", "memory"}),
        queue=lambda job: {"queue_position": "1"},
        identifiers=frozenset({"OBS_IDS"}),
    )
    executor.manager = JobManager(store, {"quicklook": kind})
    yield executor.manager
    await executor.manager.close()


@dataclass
class Site:
    """An application on a free port; ``owner`` is who calls."""

    root: str
    owner: str = "alice"

    async def __call__(self, path: str, method: str = "GET", body: str | None = None, **more: object) -> HTTPResponse:
        client = AsyncHTTPClient(force_instance=True)
        try:
            return await client.fetch(
                self.root + path,
                method=method,
                body=body if body is not None else "" if method in ("POST", "PUT") else None,
                raise_error=False,
                follow_redirects=False,
                headers={"X-Owner": self.owner, **more.pop("headers", {})},  # type: ignore[dict-item]
                **more,
            )
        finally:
            client.close()


@pytest.fixture
async def site(manager: JobManager, executor: HandExecutor) -> AsyncIterator[Site]:
    class Base(tornado.web.RequestHandler):
        def prepare(self) -> None:
            self.owner = self.request.headers["X-Owner"]
            self.root = f"http://{self.request.host}/"

        def write_error(self, status_code: int, **kwargs: object) -> None:
            error = kwargs["exc_info"][1]  # type: ignore[index]
            self.set_status(error.status if isinstance(error, UWSError) else status_code)
            self.finish(str(error))

    server = tornado.httpserver.HTTPServer(
        tornado.web.Application(handlers.make_routes(Base, manager, executor))  # type: ignore[arg-type]
    )
    sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    yield Site(f"http://127.0.0.1:{sockets[0].getsockname()[1]}/")
    server.stop()
    await server.close_all_connections()
