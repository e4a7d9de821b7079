"""From three lines of configuration to a job on SLURM, by HTTP; and ``jupyter uws cluster``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from running import run_service, wait_until
from slurm_daemons import Slurm

CONFIG = """
c.ServeApp.backend = "slurm"
c.ServeApp.backend_options = {"queue": "normal", "interface": "lo", "memory": "500 MiB", **MORE}
"""


def configure(folder: Path, more: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "config").mkdir()
    (folder / "config" / "jupyter_uws_config.py").write_text(CONFIG.replace("MORE", repr(more)))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(folder / "config"))


def command(*arguments: str, state_dir: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "jupyter_uws", *arguments, f"--state-dir={state_dir}"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def test_a_job_by_http(slurm: Slurm, sim_archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(tmp_path, {"walltime": "00:10:00"}, monkeypatch)
    with run_service(tmp_path, sim_archive) as service:
        assert "slurm, not started" in command("cluster", state_dir=service.state_dir).stdout
        job = service.post("uws/sleeper", {"duration": "1", "PHASE": "RUN"}).headers["Location"]
        path = job.removeprefix(service.url)
        # no job is promised more than the walltime of a worker holds
        assert service.get(f"{path}/executionduration").text == "510"
        wait_until(lambda: service.get(f"{path}/phase").text == "COMPLETED")
        told = command("cluster", state_dir=service.state_dir).stdout
        assert re.search(r"^cluster +slurm, 1 of at most 16 workers$", told, re.MULTILINE), told
        assert re.search(r"^ +\d+ idle +tls://127.0.0.1:\d+  1 core, 1 GiB, 00:10:00$", told, re.MULTILINE), told
        assert "dashboard  jupyter-uws/dashboard/status" in told.splitlines()
        secret = (service.state_dir / "secret").read_text().strip()
        page = requests.get(f"{service.url}dashboard/status", headers={"X-UWS-Secret": secret}, timeout=60)
        assert (page.status_code, "Dask Diagnostic UI" in page.text) == (200, True)
        assert len(slurm.jobs()) == 1
        assert service.get("cluster").status_code == 403
    wait_until(lambda: slurm.jobs() == {})
    assert list((service.state_dir / "jobs" / ".cluster").glob("keys-*")) == []


def test_the_reason_in_job_info(
    slurm: Slurm, sim_archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, {"queue": "small", "walltime": "10:00:00"}, monkeypatch)
    with run_service(tmp_path, sim_archive) as service:
        job = service.post("uws/sleeper", {"duration": "1", "PHASE": "RUN"}).headers["Location"]
        path = job.removeprefix(service.url)
        wait_until(lambda: "an allocation: PartitionTimeLimit" in service.get(path).text)
        assert "PartitionTimeLimit" in command("cluster", state_dir=service.state_dir).stdout
        assert service.get(f"{path}/phase").text == "QUEUED"
        service.post(f"{path}/phase", {"PHASE": "ABORT"})
        assert service.get(f"{path}/phase").text == "ABORTED"
    wait_until(lambda: slurm.jobs() == {})


def test_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(tmp_path, {"account": "gamma", "walltime": "02:00:00"}, monkeypatch)
    done = command("cluster", "--script", state_dir=tmp_path)
    assert done.returncode == 0, done.stderr
    for line in ("#SBATCH -p normal", "#SBATCH -A gamma", "#SBATCH -t 02:00:00", "#SBATCH --no-requeue"):
        assert line in done.stdout.splitlines()
    assert f"{sys.executable} -m distributed.cli.dask_worker tls://" in done.stdout


def test_no_script_without_a_batch_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    done = command("cluster", "--script", state_dir=tmp_path)
    assert done.returncode == 1
    assert "the backend is 'local', which needs no job script" in done.stderr


def test_no_service(tmp_path: Path) -> None:
    done = command("cluster", state_dir=tmp_path)
    assert done.returncode == 1
    assert "no service runs here" in done.stderr


def test_an_unknown_backend(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "jupyter_uws", "serve", "--ServeApp.backend=slrum", f"--state-dir={tmp_path}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env={**os.environ})
    assert done.returncode != 0
    assert "'slurm'" in done.stderr
    assert "slrum" in done.stderr
