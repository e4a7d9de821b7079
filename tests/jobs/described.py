"""A running service whose job types are files in a folder of the test's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

import defusedxml.ElementTree as ElementTree
from running import RunningService, wait_until

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"


@dataclass
class DescribedService:
    """A service, and the folder its descriptions are read from."""

    service: RunningService
    folder: Path

    def describe(self, name: str, text: str) -> Path:
        """Write a description file, so that it is there whole or not at all, and wait until it was read."""
        path = self.folder / name
        scratch = self.folder / f".{name}"
        scratch.write_text(text)
        scratch.replace(path)
        return path

    def types(self) -> dict[str, dict[str, object]]:
        return {kind["name"]: kind for kind in self.service.get("uws/types").json()["types"]}

    def problems(self) -> dict[str, str]:
        return dict(self.service.get("uws/types").json()["problems"])

    def has(self, name: str, version: str = "1") -> None:
        """Wait until the type is served, in that version."""
        wait_until(lambda: self.types().get(name, {}).get("version") == version)

    def submit(self, job_type: str, data: object = None, **more: object) -> str:
        """Create and run a job; its path below the service's root."""
        answer = self.service.post(f"uws/{job_type}?PHASE=RUN", data, **more)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"].removeprefix(self.service.url)

    def ended(self, job: str) -> Element:
        """The document of the job when it has ended."""

        def look() -> Element | None:
            document = ElementTree.fromstring(self.service.get(f"{job}?WAIT=10").content)
            done = document.findtext(f"{UWS}phase") in ("COMPLETED", "ERROR", "ABORTED")
            return document if done else None

        found: Element = wait_until(look, 60)
        return found

    def job_folder(self, job: str) -> Path:
        return self.service.state_dir / "jobs" / job.rpartition("/")[2]

    def result(self, job: str, name: str) -> str:
        answer = self.service.get(f"{job}/results/{name}")
        assert answer.status_code == 200, answer.text
        return answer.content.decode()


def results(document: Element) -> list[str]:
    return [element.get("id", "") for element in document.iter(f"{UWS}result")]


def message(document: Element) -> str:
    return document.findtext(f"{UWS}errorSummary/{UWS}message") or ""
