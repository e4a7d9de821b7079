"""The widgets in a kernel of its own, without a page: on which of ipykernel's subshells they hear."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from running import RunningService

#: A widget that speaks by a thread as soon as the kernel was asked something on a subshell.
SPEAKS = """
import threading, time
from ipykernel.kernelbase import Kernel
from jupyter_uws.widgets import JobList

def speak():
    while Kernel.instance().get_parent().get("header", {}).get("subshell_id") is None:
        time.sleep(0.01)
    widget._tell({"kind": "opened"})

widget = JobList(url=%r, token=%r)
threading.Thread(target=speak, daemon=True).start()
widget
"""
PATIENCE = 60.0


class Asked:
    """A kernel, and a page's side of it."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        self.comm = ""

    def send(self, kind: str, subshell: str | None, **content: Any) -> str:
        message = self.client.session.msg(kind, content)
        message["header"]["subshell_id"] = subshell
        channel = self.client.control_channel if "subshell" in kind else self.client.shell_channel
        channel.send(message)
        return str(message["header"]["msg_id"])

    def control(self, kind: str, **content: Any) -> dict[str, Any]:
        id = self.send(kind, None, **content)
        while True:
            reply = self.client.get_control_msg(timeout=PATIENCE)
            if reply["parent_header"].get("msg_id") == id:
                assert reply["content"]["status"] == "ok", reply
                return dict(reply["content"])

    def ask(self, subshell: str | None) -> str:
        """A page's question to the widget; its id."""
        content = {"kind": "request", "id": uuid.uuid4().hex, "size": 0, "method": "GET", "path": ["jobs"]}
        self.send("comm_msg", subshell, comm_id=self.comm, data={"method": "custom", "content": content})
        return str(content["id"])

    def hear(self, kind: str, id: str | None = None) -> None:
        """Wait for a message of the widget to its page."""
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            content = message["content"].get("data", {}).get("content", {}) if message["msg_type"] == "comm_msg" else {}
            if content.get("kind") == kind and content.get("id") == id:
                return

    def run(self, code: str) -> None:
        outputs: list[dict[str, Any]] = []
        self.client.execute_interactive(code, timeout=PATIENCE, output_hook=outputs.append)
        assert [output["content"] for output in outputs if output["msg_type"] == "error"] == []
        for output in outputs:
            if output["msg_type"] == "execute_result":
                self.comm = output["content"]["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]


@pytest.fixture
def asked(service: RunningService, tmp_path: Path) -> Iterator[Asked]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.blocking_client()
    client.start_channels(hb=False)
    try:
        client.wait_for_ready(timeout=PATIENCE)
        asked = Asked(client)
        asked.run(SPEAKS % (service.url, service.token))
        assert asked.comm
        yield asked
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_subshell_that_ended_takes_no_question_with_it(asked: Asked) -> None:
    """As JupyterLab does after a restart: one subshell is asked something, and deleted when the widget has spoken."""
    subshell = asked.control("create_subshell_request")["subshell_id"]
    asked.send("kernel_info_request", subshell)
    asked.hear("opened")
    asked.control("delete_subshell_request", subshell_id=subshell)
    asked.hear("taken", asked.ask(None))


def test_questions_are_taken_while_a_cell_runs(asked: Asked) -> None:
    subshell = asked.control("create_subshell_request")["subshell_id"]
    asked.client.execute("time.sleep(600)")
    asked.hear("taken", asked.ask(subshell))
