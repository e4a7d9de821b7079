"""Who may enter the service, and what it says to those who may not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from running import run_service, wait_until

ROUTES = [
    "",
    "health",
    "uws",
    "uws/types",
    "uws/sleeper",
    "uws/sleeper/20261122-nosuch",
    "uws/sleeper/20261122-nosuch/results/report",
    "tap/sync?QUERY=SELECT+TOP+1+*+FROM+ivoa.obscore&LANG=ADQL",
    "tap/capabilities",
    "tap/tables",
    "tap/availability",
    "files/SIM-DR1/nosuch",
    "nosuch",
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "token wrong"},
        {"Authorization": "Basic dXNlcjp0b2tlbg=="},
        {"X-UWS-Secret": "wrong", "X-UWS-Owner": "root"},
        {"X-UWS-Secret": ""},
    ],
)
def test_nobody_enters_without_a_secret(service: Any, route: str, headers: dict[str, str]) -> None:
    answer = requests.get(service.url + route, headers=headers, timeout=60)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Authorization: token" in answer.text
    assert requests.post(service.url + route, headers=headers, data={"a": "b"}, timeout=60).status_code == 401


def test_the_token_in_a_url_is_no_key(service: Any) -> None:
    assert requests.get(f"{service.url}uws?token={service.token}", timeout=60).status_code == 401


@pytest.mark.parametrize("scheme", ["token", "Bearer", "bearer"])
def test_the_token_opens_everything(service: Any, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {service.token}"}
    for route in ROUTES:
        answer = requests.get(service.url + route, headers=headers, timeout=60)
        assert answer.status_code == (404 if "nosuch" in route else 200), (route, answer.text)


def test_the_token_is_a_password_for_programs_but_not_for_browsers(service: Any) -> None:
    """TOPCAT and STILTS know passwords only; a browser would send it wherever another site makes it."""
    password = ("anybody", service.token)
    assert requests.get(service.url + "tap/capabilities", auth=password, timeout=60).status_code == 200
    assert 'Basic realm="jupyter_uws"' in requests.get(service.url, timeout=60).headers["WWW-Authenticate"]
    for browser in ({"User-Agent": "Mozilla/5.0 (X11)"}, {"Origin": "https://evil.org"}, {"Sec-Fetch-Mode": "cors"}):
        answer = requests.post(service.url + "uws/sleeper", auth=password, headers=browser, timeout=60)
        assert answer.status_code == 401
        assert "Basic" not in answer.headers["WWW-Authenticate"]
    for wrong in ("Basic", "Basic !", f"Basic {service.token}", "Basic OnRva2Vu", "Basic /////w=="):
        assert requests.get(service.url, headers={"Authorization": wrong}, timeout=60).status_code == 401, wrong


def test_an_address_with_one_slash_too_many_is_explained(service: Any) -> None:
    """STILTS shows the text: it puts ``/sync`` behind whatever address it is given."""
    for path in ("tap//sync", "tap//capabilities", "uws//sleeper"):
        answer = service.get(path)
        assert (answer.status_code, "give the service's address without a / at its end" in answer.text) == (404, True)
    assert "without a /" not in service.get("tap/nosuch").text


def test_only_the_relay_names_owner_and_root(service: Any) -> None:
    secret = (service.state_dir / "secret").read_text().strip()
    relay = {"X-UWS-Secret": secret, "X-UWS-Owner": "alice", "X-UWS-Root": "https://hub/user/alice/jupyter-uws/"}
    answer = requests.post(
        service.url + "uws/sleeper", headers=relay, data={"duration": "1"}, allow_redirects=False, timeout=60
    )
    assert answer.status_code == 303, answer.text
    assert answer.headers["Location"].startswith("https://hub/user/alice/jupyter-uws/uws/sleeper/")
    path = answer.headers["Location"].partition("jupyter-uws/")[2]
    # the same names without the secret are just noise
    lie = {"Authorization": f"token {service.token}", "X-UWS-Owner": "alice"}
    assert requests.get(service.url + path, headers=lie, timeout=60).status_code == 403
    assert requests.get(service.url + path, headers=relay, timeout=60).status_code == 200


def test_the_secrets_are_nobody_elses(service: Any) -> None:
    for name in ("secret", "service.json"):
        assert (service.state_dir / name).stat().st_mode & 0o777 == 0o600
    assert service.state_dir.stat().st_mode & 0o777 == 0o700
    assert service.token not in (service.state_dir / "service.json").read_text()
    environment = Path(f"/proc/{service.process.pid}/cmdline").read_bytes()
    assert service.token.encode() not in environment


def test_only_the_relay_may_stop_it(service: Any) -> None:
    headers = {"Authorization": f"token {service.token}"}
    assert requests.post(service.url + "shutdown", headers=headers, timeout=60).status_code == 403


def test_health_tells_who_answers(service: Any) -> None:
    health = service.get("health").json()
    assert health["pid"] == service.process.pid
    assert health["active_jobs"] == 0
    assert health["archive"] == str(service.archive)


def serve(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jupyter_uws", "serve", *options],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_second_service_on_the_same_folder_ends_and_names_the_first(service: Any) -> None:
    other = serve("--port=0", f"--state-dir={service.state_dir}")
    assert other.returncode == 3
    assert f"pid {service.process.pid}" in other.stderr
    assert service.get("health").ok


def test_a_socket_that_was_removed_is_made_anew(sim_archive: Path, tmp_path: Path) -> None:
    """As $XDG_RUNTIME_DIR is, at a user's last log-out."""
    with run_service(tmp_path, sim_archive, "--idle-timeout=8") as other:
        socket = Path(json.loads((other.state_dir / "service.json").read_text())["socket"])
        socket.unlink()
        wait_until(lambda: other.get("health").ok and socket.exists())
        status = subprocess.run(
            [sys.executable, "-m", "jupyter_uws", "status", f"--state-dir={other.state_dir}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert status.returncode == 0, status.stderr
        assert f"pid {other.process.pid}" in status.stdout


def test_a_taken_port_is_named(service: Any, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    other = serve(f"--port={service.port}", f"--state-dir={tmp_path / 'state'}")
    assert other.returncode == 1
    assert f"cannot listen on 127.0.0.1:{service.port}" in other.stderr
    assert "Traceback" not in other.stderr


def test_an_archive_that_was_named_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    other = serve("--port=0", f"--state-dir={tmp_path / 'state'}", f"--archive={tmp_path / 'no.duckdb'}")
    assert other.returncode == 1
    assert "no archive" in other.stderr
    assert "jupyter uws archive add" in other.stderr


def test_a_state_folder_open_to_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "state").chmod(0o755)
    other = serve("--port=0", f"--state-dir={tmp_path / 'state'}")
    assert other.returncode == 1
    assert "chmod 700" in other.stderr
