"""A real service with an administrator, and the callers that may come to it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import defusedxml.ElementTree as ElementTree
import pytest
import requests
from running import RunningService, own_tracebacks, run_service, wait_until

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
OWNER, OTHER, ADMIN = "alice", "bob", "boss"


@dataclass
class Site:
    """The service as different callers see it: ``anonymous``, ``token``, or an owner that the relay names."""

    service: RunningService
    read: int = 0

    def headers(self, caller: str) -> dict[str, str]:
        if caller == "anonymous":
            return {}
        if caller == "token":
            return {"Authorization": f"token {self.service.token}"}
        return {"X-UWS-Secret": (self.service.state_dir / "secret").read_text().strip(), "X-UWS-Owner": caller}

    def ask(self, caller: str, method: str, path: str, **more: Any) -> requests.Response:
        headers = {**self.headers(caller), **more.pop("headers", {})}
        timeout = more.pop("timeout", 20)
        url = self.service.url + path
        return requests.request(method, url, headers=headers, allow_redirects=False, timeout=timeout, **more)

    def job(self, caller: str = OWNER, **parameters: Any) -> str:
        """The path of a new job."""
        answer = self.ask(caller, "POST", "uws/sleeper", data={"duration": "0", **parameters})
        assert answer.status_code == 303, answer.text
        return "uws/sleeper/" + answer.headers["Location"].rpartition("/")[2]

    def query(self, caller: str = OWNER, **parameters: Any) -> str:
        """The path of a new asynchronous query."""
        data = {"LANG": "ADQL", "QUERY": "SELECT TOP 1 obs_id FROM ivoa.obscore", **parameters}
        answer = self.ask(caller, "POST", "tap/async", data=data)
        assert answer.status_code == 303, answer.text
        return "tap/async/" + answer.headers["Location"].rpartition("/")[2]

    def phase(self, path: str) -> str:
        return self.ask(ADMIN, "GET", path + "/phase").text

    def until(self, path: str, *phases: str) -> None:
        wait_until(lambda: self.phase(path) in phases, 60)

    def results(self, path: str) -> list[str]:
        document = ElementTree.fromstring(self.ask(ADMIN, "GET", path + "/results").content)
        return [str(element.get("id")) for element in document]

    def healthy(self) -> None:
        """It answers at once, as before, and its log holds neither a secret nor the trace of a failure."""
        assert self.ask("token", "GET", "health", timeout=5).status_code == 200
        log = self.service.log[self.read :]
        self.read += len(log)  # each test answers for its own part
        assert own_tracebacks(log) == []
        assert self.service.token not in log
        assert (self.service.state_dir / "secret").read_text().strip() not in log


#: Jobs that say what they were given: a command, and a script of a shell.
DESCRIPTIONS = {
    "repeat": f"""
        name: repeat
        parameters:
          data: {{type: file}}
          {"".join(f"t{number}: {{type: string}}{chr(10)}          " for number in range(40))}
        command: [printf, "--", "[%s]", {", ".join(f"'{{t{number}}}'" for number in range(40))}]
    """,
    "shell": """
        name: shell
        parameters:
          text: {type: string, required: true}
          data: {type: file}
        script: |
          printf '[%s]' "$text"
    """,
}


@pytest.fixture(scope="session")
def site(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("safety")
    descriptions = folder / "descriptions"
    descriptions.mkdir()
    for name, text in DESCRIPTIONS.items():
        (descriptions / f"{name}.yaml").write_text(textwrap.dedent(text))
    environment = {"JUPYTER_UWS_DESCRIPTIONS": str(descriptions)}
    with run_service(folder, sim_archive, f"--ServeApp.admins={ADMIN}", **environment) as running:
        yield Site(running)
