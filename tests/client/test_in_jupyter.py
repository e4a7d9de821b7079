"""In a kernel of a real Jupyter server the client finds its service with no configuration."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from jupyter_client.blocking.client import BlockingKernelClient
from running import wait_until

from jupyter_uws import rendezvous

CODE = """
from jupyter_uws import Archive, JobService
print(len(Archive().search("Crab")), JobService().submit("sleeper", duration=0).wait(progress=False).phase)
"""


@pytest.fixture
def jupyter(sim_archive: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The runtime file of a Jupyter server with our extension; its service is ended with it."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    folders = {
        name: str(tmp_path / name.lower()) for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")
    }
    environment = {"JUPYTER_UWS_STATE_DIR": str(state), "JUPYTER_UWS_ARCHIVE": str(sim_archive)}
    command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--ServerApp.port=0"]
    command += ["--ServerApp.base_url=/a%40b/", "--ServerApp.jpserver_extensions={'jupyter_uws': True}"]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            command, env={**os.environ, **folders, **environment}, stdout=log, stderr=log, cwd=tmp_path
        )
    try:
        file = wait_until(lambda: next(Path(folders["JUPYTER_RUNTIME_DIR"]).glob("jpserver-*.json"), None))
        info = wait_until(lambda: file.stat().st_size and json.loads(file.read_text()))
        info["runtime"] = folders["JUPYTER_RUNTIME_DIR"]

        def listens() -> bool:
            try:
                return requests.get(info["url"] + "api", timeout=5).ok
            except requests.ConnectionError:
                return False

        wait_until(listens)
        yield info
    finally:
        server.terminate()
        server.wait(20)
        service = rendezvous.read_info(state)
        if service is not None:
            os.kill(service.pid, signal.SIGTERM)
            wait_until(lambda: rendezvous.read_info(state) is None)


def test_no_configuration_is_needed(jupyter: dict[str, str]) -> None:
    headers = {"Authorization": f"token {jupyter['token']}"}
    answer = requests.post(jupyter["url"] + "api/kernels", headers=headers, timeout=60)
    assert answer.status_code == 201, answer.text
    kernel_id = answer.json()["id"]
    try:
        client = BlockingKernelClient(connection_file=str(Path(jupyter["runtime"], f"kernel-{kernel_id}.json")))
        client.load_connection_file()
        client.start_channels(hb=False)  # a kernel that starts on a loaded machine beats late, and counts as dead
        try:
            client.wait_for_ready(timeout=90)
            outputs: list[dict] = []
            client.execute_interactive(CODE, timeout=90, output_hook=outputs.append)
        finally:
            client.stop_channels()
    finally:
        requests.delete(f"{jupyter['url']}api/kernels/{kernel_id}", headers=headers, timeout=60)
    errors = [message["content"]["evalue"] for message in outputs if message["msg_type"] == "error"]
    assert errors == []
    text = "".join(message["content"]["text"] for message in outputs if message["msg_type"] == "stream")
    assert "4 COMPLETED" in text
    assert jupyter["token"] not in text
