"""What operators have in hand: CORS, probes, figures, logs, the end of the process, backup and restore."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from running import RunningService, run_service, wait_until
from traitlets import TraitError

from jupyter_uws.backup import BackupError, make_backup, restore_backup
from jupyter_uws.rendezvous import AlreadyRunning
from jupyter_uws.service.config import ServeApp

PAGE = "https://portal.example.org"


@pytest.fixture(scope="module")
def operated(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    options = [f"--ServeApp.cors_origins={PAGE}", "--ServeApp.log_json=True", "--ServeApp.metrics_port=0"]
    with run_service(tmp_path_factory.mktemp("operated"), sim_archive, *options, "--workers=2") as running:
        yield running


def run_job(service: RunningService, duration: str = "0") -> str:
    answer = service.post("uws/sleeper", {"duration": duration, "PHASE": "RUN"})
    return answer.headers["Location"].removeprefix(service.url)


def until(service: RunningService, job: str, phase: str) -> None:
    wait_until(lambda: service.get(job + "/phase").text == phase, 60)


# -- CORS


def preflight(service: RunningService, origin: str, path: str = "uws/sleeper") -> requests.Response:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return requests.options(service.url + path, headers=headers, timeout=60)


@pytest.mark.parametrize("path", ["", "uws", "uws/sleeper", "tap/sync", "tap/async", "nosuch", "files/x/y", "cluster"])
def test_pages_that_are_listed_may_call(operated: RunningService, path: str) -> None:
    asked = preflight(operated, PAGE, path)
    assert asked.status_code == 204
    assert asked.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]
    for origin in ("https://evil.org", "null", PAGE + ".evil.org", PAGE.replace("https", "http")):
        assert not [name for name in preflight(operated, origin, path).headers if name.startswith("Access-Control")]


def test_they_call_with_a_token_and_never_with_cookies(operated: RunningService) -> None:
    answer = operated.get("uws", headers={"Origin": PAGE})
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    refused = requests.get(operated.url + "uws", headers={"Origin": PAGE}, timeout=60)
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, PAGE)


def test_nobody_is_listed_by_default(service: RunningService) -> None:
    asked = preflight(service, PAGE)
    assert asked.status_code == 401
    assert "Access-Control-Allow-Origin" not in asked.headers
    for wrong in ("*", "portal.example.org", "https://a/b", "https://a b"):
        with pytest.raises(TraitError, match="cors_origins"):
            ServeApp(cors_origins={wrong})


# -- figures, probes, logs


def figures(text: str) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name + "".join(f"{{{value}}}" for value in sample.labels.values())] = sample.value
    return found


def test_figures_of_jobs_workers_and_requests(operated: RunningService) -> None:
    job = run_job(operated, "600")
    until(operated, job, "EXECUTING")
    found = figures(operated.get("metrics").text)
    assert found["jupyter_uws_jobs{EXECUTING}"] == found["jupyter_uws_jobs_running"] == 1
    assert found["jupyter_uws_workers"] >= 1
    assert found["jupyter_uws_jobs_waiting"] == 0
    assert found["jupyter_uws_requests_open"] == 1  # this one
    assert found["process_resident_memory_bytes"] > 20e6
    before = found["jupyter_uws_request_seconds_count{uws}{2xx}"]
    operated.get("uws")
    operated.get(job + "?WAIT=0")
    found = figures(operated.get("metrics").text)
    assert found["jupyter_uws_request_seconds_count{uws}{2xx}"] == before + 1
    assert found["jupyter_uws_request_seconds_count{waiting}{2xx}"] == 1
    operated.post(job + "/phase", {"PHASE": "ABORT"})
    until(operated, job, "ABORTED")
    assert figures(operated.get("metrics").text)["jupyter_uws_jobs{ABORTED}"] == 1


def test_figures_on_the_loopback_port_need_no_token(operated: RunningService) -> None:
    port = next(line["message"] for line in lines(operated) if "figures" in line["message"]).rpartition(":")[2]
    url = f"http://127.0.0.1:{port.partition('/')[0]}/"
    assert "jupyter_uws_jobs" in requests.get(url + "metrics", timeout=60).text
    for path in ("", "uws", "health", "metrics/x"):
        assert requests.get(url + path, timeout=60).status_code == 404


def test_probes_say_one_word(operated: RunningService) -> None:
    for kind in ("live", "ready"):
        answer = requests.get(f"{operated.url}health/{kind}", timeout=60)
        assert (answer.status_code, answer.text) == (200, "ok\n")


def lines(service: RunningService) -> list[dict[str, str]]:
    return [json.loads(line) for line in service.log.splitlines()]


def test_the_log_names_job_and_owner(operated: RunningService) -> None:
    job = run_job(operated)
    until(operated, job, "COMPLETED")
    name, owner = job.rpartition("/")[2], operated.get(job + "/owner").text
    assert operated.get(f"{job}/results/nosuch").status_code == 404
    wait_until(lambda: any(line.get("status") == 404 and line.get("job_id") == name for line in lines(operated)))
    told = [line for line in lines(operated) if line.get("job_id") == name]
    assert [line["phase"] for line in told if "phase" in line] == ["PENDING", "QUEUED", "EXECUTING", "COMPLETED"]
    assert {line["owner"] for line in told} == {owner}
    assert {"time", "level", "logger", "message"} <= told[0].keys()


# -- the end


def test_it_ends_when_it_is_told_to_and_answers_what_is_open(sim_archive: Path, tmp_path: Path) -> None:
    with run_service(tmp_path, sim_archive) as service:
        with service.get("uws/events", stream=True) as stream:
            events = stream.iter_lines(1)
            assert next(line for line in events if line == b"event: ready")
            service.process.send_signal(signal.SIGTERM)
            list(events)  # it comes to its end
        assert service.process.wait(30) == 0
        assert not (service.state_dir / "service.json").exists()
        assert "Traceback" not in service.log


# -- backup and restore


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jupyter_uws", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_running_service_is_backed_up_and_brought_back(
    operated: RunningService, sim_archive: Path, tmp_path: Path
) -> None:
    name = "backup.tar.gz"
    done, running = run_job(operated), run_job(operated, "600")
    until(operated, done, "COMPLETED")
    until(operated, running, "EXECUTING")
    folder = operated.state_dir / "jobs" / done.rpartition("/")[2]
    (folder / "work" / "link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "work" / "pipe")
    results = operated.get(done + "/results").text
    first = results.partition('id="')[2].partition('"')[0]
    content = operated.get(f"{done}/results/{first}").content
    made = cli("backup", str(tmp_path / name), f"--state-dir={operated.state_dir}")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    operated.post(running + "/phase", {"PHASE": "ABORT"})

    (tmp_path / "new").mkdir()
    state = tmp_path / "new" / "state"
    restored = cli("restore", str(tmp_path / name), f"--state-dir={state}")
    assert restored.returncode == 0, restored.stderr
    assert not (state / "jobs" / folder.name / "work" / "link").is_symlink()
    with run_service(tmp_path / "new", sim_archive) as service:
        assert service.get(done + "/phase").text == "COMPLETED"
        assert service.get(f"{done}/results/{first}").content == content
        # it ends in ERROR when its supervisor has said nothing for a minute: none of this service's runs it
        assert service.get(running + "/phase").text == "EXECUTING"
        again = run_job(service)
        until(service, again, "COMPLETED")
        with pytest.raises(AlreadyRunning):
            restore_backup(tmp_path / name, service.state_dir)
    assert "Traceback" not in (state / "stderr").read_text()


def test_what_cannot_be_backed_up_or_restored_is_said(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    with pytest.raises(BackupError, match=r"no jobs\.sqlite in .*PostgreSQL"):
        make_backup(state, tmp_path / "x.tar")
    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w") as tar:
        tar.add(__file__, "../../escaped")
        tar.add(__file__, "jobs/../../escaped")
        tar.add(__file__, "backup.json")
    with pytest.raises(BackupError, match="not a backup"):
        restore_backup(evil, state)
    assert not list(tmp_path.parent.glob("**/escaped"))
    assert [path.name for path in state.iterdir()] == ["lock"]
    (tmp_path / "text").write_text("not a tar")
    failed = cli("restore", str(tmp_path / "text"), f"--state-dir={state}")
    assert (failed.returncode, "Traceback" in failed.stderr) == (1, False)
    with closing(sqlite3.connect(state / "jobs.sqlite")) as store:
        store.execute("CREATE TABLE jobs (job_id TEXT)")
    make_backup(state, tmp_path / "one.tar")
    with pytest.raises(BackupError, match="is there already"):
        make_backup(state, tmp_path / "one.tar")
    with pytest.raises(BackupError, match="there are jobs in .* already"):
        restore_backup(tmp_path / "one.tar", state)
