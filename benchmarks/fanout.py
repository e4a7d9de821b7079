"""How much faster ``quicklook`` and ``spectrum`` of many runs are where other workers help.

``make bench ARGS="fanout --workers 1 2 4"``: each job alone on a cluster of so many workers. Wall time of the
part that fans out and of the whole job from EXECUTING to COMPLETED, and processor time of all its processes. The runs
are those of H.E.S.S. on PKS 2155-304 (``--store``), else simulated ones. Both jobs fan out here, however few these are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "execution"))

from analysis_jobs import analysis
from execution_bench import Bench
from fanning_bench import command

from jupyter_uws.archive.ingest import add_store
from jupyter_uws.archive.reader import runs
from jupyter_uws.archive.simulation import simulate
from jupyter_uws.execution.cluster import ClusterConfig
from jupyter_uws.uws.model import Job

TICKS = os.sysconf("SC_CLK_TCK")
PKS_2155 = {"RA": 329.716938, "Dec": -30.225588}
TARGET = "PKS 2155-304"


def processor_time(seconds: dict[int, float], job: Job) -> None:
    """Bring up to date the processor time of each process of a job and of its helpers, by pid."""
    mark = f"UWS_JOB_ID={job.job_id}".encode()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                seconds[int(entry.name)] = (int(fields[11]) + int(fields[12])) / TICKS
        except OSError:
            continue


async def measure(workers: int, folder: Path, argv: str) -> tuple[float, float, float, bytes]:
    """Seconds of the fanned-out part, of the whole job, and of processors; and the summary it wrote."""
    bench = Bench(folder, ClusterConfig(workers=workers))
    try:
        job = await bench.start(argv=argv)
        started = await bench.report(job, "started", timeout=60)
        last, used = asyncio.create_task(bench.last(job, timeout=1200)), {}
        while not last.done():
            processor_time(used, job)
            await asyncio.wait([last], timeout=0.1)
        end = last.result()
        if end.kind != "completed":
            raise SystemExit(f"the job ended as {end.kind}: {end.error}")
        said = {report.info.get("message"): report.time for report in bench.reports[job.job_id]}
        begun = said.get("fanned out", started.time)
        reduced = said.get("ring background") or said.get("fit") or end.time
        work = bench.folder(job).work
        summary = work / "summary.json"
        return (
            (reduced - begun).total_seconds(),
            (end.time - started.time).total_seconds(),
            sum(used.values()),
            summary.read_bytes() if summary.exists() else b"{}",
        )
    finally:
        await bench.executor.close()


def jobs(folder: Path, store: Path | None, pixels: int) -> dict[str, dict[str, Any]]:
    """An archive in the folder, and the values of the jobs on it."""
    size = {"nxpix": pixels, "nypix": pixels}
    archive = folder / "archive.duckdb"
    if store is None:
        simulate(folder / "store")
        add_store(archive, folder / "store")
        ids = [str(number) for number in (*range(100101, 100107), *range(100301, 100311))]
        return {"quicklook": {"obs_ids": ids, "binsz": 0.05, **size}}
    add_store(archive, store)
    from astropy.table import Table

    index = Table.read(next(store.glob("obs-index.fits*")))
    ids = [str(row["OBS_ID"]) for row in index if row["OBJECT"] == TARGET]
    ids = [str(run.obs_id) for run in runs(archive, ids)]
    values = {"obs_ids": ids, **PKS_2155}
    return {"quicklook": values | size, "spectrum": values}


def waiting(workers: int) -> str:
    """A job whose tasks wait and need no processor: what fanning out itself can do."""
    return json.dumps(command(48, 0.5, workers))


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--store", type=Path, default=os.environ.get("JUPYTER_UWS_HESS_DIR"), help="H.E.S.S. DL3 DR1")
    parser.add_argument("--pixels", type=int, default=200, help="of the quick look's map, each way")
    options = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} processor cores here: more workers than that cannot be faster")
    different = 0
    with tempfile.TemporaryDirectory(prefix="uws-fanout-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        commands = {"a job that waits, 48 tasks of 0.5 s": waiting}
        for job, values in jobs(folder, options.store, options.pixels).items():
            (folder / job).mkdir()
            argv = analysis(job, folder / job, folder / "archive.duckdb", **values)
            commands[f"{job} of {len(values['obs_ids'])} runs"] = lambda _, argv=argv: argv
        for number, (job, argv) in enumerate(commands.items()):
            print(f"\n{job}")
            print("workers  fanned out        whole job         processors")
            first: tuple[float, float, float, bytes] | None = None
            for workers in options.workers:
                now = await measure(workers, folder / f"{number}-{workers}", argv(workers))
                first = first or now
                times = (f"{now[i]:6.1f} s  x {first[i] / now[i]:4.2f}" for i in (0, 1))
                print(f"{workers:7}  {'   '.join(times)}   {now[2]:6.1f} s", flush=True)
                different += now[3] != first[3]
    print("\nthe summaries are the same" if not different else f"\n{different} summaries are different")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
