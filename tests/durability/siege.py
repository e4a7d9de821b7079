"""A service under siege: clients that never stop, and kill -9 again and again; then the books are checked.

Every job carries a word as its RUNID, so that what clients asked and what they were answered can be compared with what
the service holds, also where it was killed before it answered.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
from defusedxml import ElementTree
from kill_service import content
from tornado.httpclient import AsyncHTTPClient, HTTPResponse

from jupyter_uws.uws.phases import Phase
from jupyter_uws.uws.store import JobStore

HOST = Path(__file__).with_name("kill_service.py")
ENDS = {"COMPLETED", "ERROR", "ABORTED", "ARCHIVED"}
#: What an ERROR may say; anything else is a fault.
LOSSES = re.compile(
    "the service ended while the job ran|its supervisor was killed|its Dask worker was lost"
    "|its Dask worker and its supervisor were lost|the local Dask cluster cannot be started.*"
)
#: Jobs that one siege has at a time: more are not created until some are deleted.
AT_ONCE = 60


@dataclass
class Word:
    """A job as its client knows it: what was asked, and what was answered."""

    name: str
    job_id: str | None = None
    run: bool = False
    running: bool = False
    abort: bool = False
    doomed: bool = False
    delete: bool = False
    deleted: bool = False
    end: str | None = None


@dataclass
class Siege:
    """One service in ``folder``, killed and started again."""

    folder: Path
    seed: int
    store_url: str | None = None
    words: dict[str, Word] = field(default_factory=dict)
    asking: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    starts: int = 0
    #: What was being asked, and in which phases jobs were, when the service was killed: numbers of kills.
    amid: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.names = (f"{self.seed}-{number}" for number in itertools.count())
        self.began = asyncio.Event()
        self.kind = ""
        self.root = ""
        self.leaving: list[asyncio.Task[None]] = []

    # -- the service

    @asynccontextmanager
    async def service(self) -> AsyncIterator[asyncio.subprocess.Process]:
        with (self.folder / "log").open("ab") as log:
            arguments = [str(self.folder), *([self.store_url] if self.store_url else [])]
            process = await asyncio.create_subprocess_exec(
                sys.executable, str(HOST), *arguments, stdin=-3, stdout=-1, stderr=log
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
        assert line.startswith("http"), f"the service did not start: {(self.folder / 'log').read_text()[-3000:]}"
        self.root = line

    async def fetch(self, path: str, method: str = "GET", **form: str) -> HTTPResponse | None:
        """The answer; None where there was none."""
        client = AsyncHTTPClient(force_instance=True)
        try:
            return await client.fetch(
                self.root + path,
                method=method,
                body=urlencode(form) if method == "POST" else None,
                headers={"Authorization": "token a-token-for-tests"},
                follow_redirects=False,
                raise_error=False,
                request_timeout=30,
            )
        except OSError:
            return None
        except Exception as error:
            if "closed" in str(error) or getattr(error, "code", 0) == 599:
                return None
            raise
        finally:
            client.close()

    async def ask(self, kind: str, path: str, method: str = "POST", **form: str) -> HTTPResponse | None:
        """A request that changes something: counted while it is open, and no answer but the allowed ones."""
        self.asking[kind] += 1
        if self.kind == kind:
            self.began.set()
        try:
            answer = await self.fetch(path, method, **form)
        finally:
            self.asking[kind] -= 1
        if answer is not None and answer.code not in (303, 403, 404):
            self.faults.append(f"{kind}: {answer.code} {answer.body[:200]!r}")
        return answer

    # -- the clients

    async def client(self) -> None:
        """Ask for one thing after another, until the service is gone."""
        while True:
            await asyncio.sleep(self.random.uniform(0, 0.05))
            here = [word for word in self.words.values() if word.job_id and not word.delete]
            action = self.random.choices(
                ["create", "run", "abort", "delete", "destroy", "look"],
                [4, 3, 2, 3, 1, 3] if here else [1, 0, 0, 0, 0, 0],
            )[0]
            if action == "create":
                if len(here) < AT_ONCE:
                    await self.create()
            else:
                await getattr(self, action)(self.random.choice(here))

    async def create(self) -> None:
        again = "-again" if self.random.random() < 0.2 else ""
        word = Word(next(self.names) + again)
        self.words[word.name] = word
        form = {"RUNID": word.name, "WORD": word.name, "SECONDS": self.random.choice(["0", "0.05", "0.3", "4"])}
        if self.random.random() < 0.6:
            word.run = True
            form["PHASE"] = "RUN"
        answer = await self.ask("create", "uws/shell", **form)
        if answer is not None and answer.code == 303:
            word.job_id = answer.headers["Location"].rpartition("/")[2]
            word.running = word.run

    async def run(self, word: Word) -> None:
        word.run = True
        answer = await self.ask("run", f"uws/shell/{word.job_id}/phase", PHASE="RUN")
        word.running = word.running or (answer is not None and answer.code == 303)

    async def abort(self, word: Word) -> None:
        word.abort = True
        await self.ask("abort", f"uws/shell/{word.job_id}/phase", PHASE="ABORT")

    async def delete(self, word: Word) -> None:
        word.delete = True
        answer = await self.ask("delete", f"uws/shell/{word.job_id}", "DELETE")
        word.deleted = word.deleted or (answer is not None and answer.code == 303)

    async def destroy(self, word: Word) -> None:
        word.doomed = True
        time = datetime.now(UTC) + timedelta(seconds=self.random.uniform(-1, 1))
        form = {"DESTRUCTION": time.isoformat().replace("+00:00", "Z")}
        await self.ask("destroy", f"uws/shell/{word.job_id}/destruction", **form)

    async def look(self, word: Word) -> None:
        answer = await self.fetch(f"uws/shell/{word.job_id}/phase")
        if answer is None or (answer.code == 404 and (word.doomed or word.delete)):
            return
        if answer.code != 200:
            self.faults.append(f"{word}: its phase is {answer.code} {answer.body[:200]!r}")
            return
        phase = answer.body.decode()
        if word.end and phase not in (word.end, "ARCHIVED"):
            self.faults.append(f"{word}: it was {word.end}, and is {phase} now")
        if phase in ENDS and phase != "ARCHIVED":
            word.end = phase

    # -- the siege

    async def round(self) -> None:
        """Start the service, have clients at it, kill it at a random point."""
        async with self.service() as process:
            clients: list[asyncio.Task[None]] = []
            if self.random.random() < 0.1:  # while it starts
                self.kind = "start"
                await asyncio.sleep(self.random.uniform(0.1, 1))
            else:
                await self.listen(process)
                clients = [asyncio.create_task(self.client()) for _ in range(5)]
                await self.moment()
            alive = family(process.pid)
            self.note()
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
            self.kills += 1
            for task in clients:
                task.cancel()
            for result in await asyncio.gather(*clients, return_exceptions=True):
                if isinstance(result, Exception):
                    self.faults.append(f"a client failed: {result!r}")
        self.leaving.append(asyncio.create_task(self.gone(alive)))
        if self.random.random() < 0.5:  # otherwise the next service comes while the last one's processes end
            await self.leaving[-1]

    async def moment(self) -> None:
        """Wait for the moment of the kill: any, or while something certain is asked."""
        self.kind = self.random.choice(["any", "create", "run", "abort", "delete", "destroy"])
        if self.random.random() < 0.7:  # the cluster is there, jobs run and end
            await self.executing()
            await asyncio.sleep(self.random.uniform(0, 1))
        else:
            await asyncio.sleep(self.random.uniform(0, 2))
        if self.kind != "any":
            self.began.clear()
            await asyncio.wait_for(self.began.wait(), 20)
            await asyncio.sleep(self.random.uniform(0, 0.015))

    async def executing(self) -> None:
        """Wait until a job runs."""
        deadline = asyncio.get_running_loop().time() + 60
        while asyncio.get_running_loop().time() < deadline:
            answer = await self.fetch("uws/shell?PHASE=EXECUTING&LAST=1")
            if answer is not None and b"jobref" in answer.body:
                return
            await asyncio.sleep(0.05)
        self.faults.append(f"after a minute no job runs: {(self.folder / 'log').read_text()[-3000:]}")

    def note(self) -> None:
        self.amid.update(f"amid {kind}" for kind, count in self.asking.items() if count)
        if self.kind == "start":
            self.amid["amid start"] += 1
        if self.root:
            store = JobStore(self.url) if not self.store_url else None
            if store:
                self.amid.update({f"with {phase}" for phase in Phase if store.refs(phases=[phase], last=1)})
                store.close()

    @property
    def url(self) -> str:
        return self.store_url or f"sqlite:///{self.folder / 'jobs.sqlite'}"

    async def gone(self, alive: list[psutil.Process]) -> None:
        """No process of a killed service lives on."""
        deadline = asyncio.get_running_loop().time() + 15
        while any(is_alive(process) for process in alive):
            if asyncio.get_running_loop().time() > deadline:
                left = [process for process in alive if is_alive(process)]
                self.faults.append(f"orphans: {left}")
                return
            await asyncio.sleep(0.02)

    # -- the books

    async def check(self) -> None:
        """Let everything end, and compare what there is with what was asked and answered."""
        await asyncio.gather(*self.leaving)
        async with self.service() as process:
            await self.listen(process)
            jobs = await self.rest()
            by_word: dict[str, dict[str, Any]] = {}
            for job in jobs:
                if job["word"] in by_word:
                    self.faults.append(f"two jobs for {job['word']}")
                by_word[job["word"]] = job
            starts = Counter((self.folder / "starts").read_text().split("\n")[:-1])
            self.starts = len(starts)
            for line, times in starts.items():
                if times > 1:
                    self.faults.append(f"run {line} was started {times} times")
            runs = Counter(line.split()[0] for line in starts)
            for word in self.words.values():
                await self.check_word(word, by_word.pop(word.name, None), runs)
            self.faults.extend(f"a job nobody asked for: {job}" for job in by_word.values())
            folders = {path.name for path in (self.folder / "jobs").iterdir() if path.name[0] != "."}
            self.faults.extend(f"a folder without job: {name}" for name in folders - {job["id"] for job in jobs})
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), 40)
        store = JobStore(self.url)
        self.faults.extend(f"files still to be removed: {left}" for left in store.remains())
        store.close()
        here = str(self.folder / "jobs").encode()
        self.faults.extend(f"an orphan: {process}" for process in psutil.process_iter() if here in environment(process))

    async def rest(self) -> list[dict[str, Any]]:
        """All jobs, once none of them moves any more and those doomed are gone."""
        deadline = asyncio.get_running_loop().time() + 120
        while True:
            answer = await self.fetch("uws/shell?" + "&".join(f"PHASE={phase}" for phase in Phase))
            assert answer is not None
            assert answer.code == 200
            jobs = [
                {"id": ref.get("id"), **{re.sub("{.*}", "", part.tag): part.text for part in ref}}
                for ref in ElementTree.fromstring(answer.body)
            ]
            for job in jobs:
                job["word"] = job["runId"]
            moving = [job for job in jobs if job["phase"] in ("QUEUED", "EXECUTING", "ARCHIVED")]
            if not moving:
                return jobs
            if asyncio.get_running_loop().time() > deadline:
                self.faults.append(f"these never end: {moving}")
                return jobs
            await asyncio.sleep(0.3)

    async def check_word(self, word: Word, job: dict[str, Any] | None, runs: Counter[str]) -> None:
        def fault(text: str) -> None:
            self.faults.append(f"{word}, {job}: {text}")

        if job is None:
            if word.job_id and not (word.doomed or word.delete):
                fault("it is lost")
            return
        if word.job_id not in (None, job["id"]):
            fault("it has another id now")
        if word.deleted:
            fault("it was deleted")
        phase, started = job["phase"], runs[job["id"]]
        if not word.run and (started or phase not in ("PENDING", "ABORTED")):
            fault(f"nobody asked to run it, it was started {started} times")
        if word.running and phase == "PENDING":
            fault("it was run, and is PENDING now")
        if phase == "ABORTED" and not (word.abort or word.doomed or word.delete):
            fault("nobody aborted it")
        if word.end and phase != word.end:
            fault(f"it had ended as {word.end}")
        if started > (3 if word.name.endswith("again") else 1):
            fault(f"it was started {started} times")
        if phase == "COMPLETED":
            answer = await self.fetch(f"uws/shell/{job['id']}/results/out")
            if started == 0 or answer is None or answer.body.decode() != content(word.name):
                fault(f"its result is {answer and answer.body}")
        elif phase == "ERROR":
            answer = await self.fetch(f"uws/shell/{job['id']}/error")
            if answer is None or not LOSSES.fullmatch(answer.body.decode().partition("\n")[0]):
                fault(f"its error is {answer and answer.body}")
        self.amid[f"at last {phase}"] += 1


def family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def environment(process: psutil.Process) -> bytes:
    try:
        return Path(f"/proc/{process.pid}/environ").read_bytes()
    except OSError:
        return b""


async def besiege(folder: Path, kills: int, seed: int, store_url: str | None = None) -> Siege:
    """Kill a service so many times, and check the books."""
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "starts").touch()
    siege = Siege(folder, seed, store_url)
    for _ in range(kills):
        await siege.round()
    await siege.check()
    return siege
