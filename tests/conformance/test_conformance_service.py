"""What only a running service shows: links behind a proxy, files that reach their job, the queue, files by URL."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import xmlschema
from running import RunningService, run_service, wait_until

SCHEMA = xmlschema.XMLSchema(str(Path(__file__).parent / "uws.xsd"), allow="local")
ROOTS = ["https://hub.site.org/user/j%C3%BCrgen%40site.org/jupyter-uws/", "http://localhost:8888/a%2Fb/jupyter-uws/"]


def as_relay(service: RunningService, root: str) -> dict[str, str]:
    secret = (service.state_dir / "secret").read_text().strip()
    return {"X-UWS-Secret": secret, "X-UWS-Owner": "alice", "X-UWS-Root": root, "Authorization": ""}


@pytest.mark.parametrize("root", ROOTS)
def test_links_behind_a_prefix(service: RunningService, root: str) -> None:
    relay = as_relay(service, root)
    answer = service.post("uws/count-lines", files={"text": ("a.txt", "1\n2\n")}, headers=relay)
    assert answer.status_code == 303, answer.text
    job = answer.headers["Location"]
    assert re.fullmatch(re.escape(f"{root}uws/count-lines/") + r"\d{8}-\w{8}", job)
    path = job.removeprefix(root)
    for below in ("/phase", ""):
        assert service.post(path + below, {"PHASE": "RUN"}, headers=relay).headers["Location"] == job
    wait_until(lambda: service.get(path + "/phase", headers=relay).text == "COMPLETED")
    for page in ("uws", "uws/count-lines", path, f"{path}/parameters", f"{path}/results", "uws/capabilities"):
        for accept in ("*/*", "text/html"):
            text = service.get(page, headers={**relay, "Accept": accept}).text
            links = re.findall(r"""(?:href=|<accessURL[^>]*>|byReference="true">)"?([^"<]+)""", text)
            links = [link for link in links if "w3.org" not in link]
            assert links, page
            assert all(link.startswith((f"{root}uws", f"{root}tap/async")) for link in links), links
            for link in links:
                assert service.get(link.removeprefix(root), headers=relay).status_code == 200, link
    text = service.get("uws/count-lines/descriptor", headers=relay).text
    assert f'name="accessURL" datatype="char" arraysize="*" value="{root}uws/count-lines"' in text
    deleted = service.request("DELETE", path, headers=relay, allow_redirects=False)
    assert deleted.headers["Location"].startswith(f"{root}uws/count-lines?LAST=")


def test_documents_are_valid_from_creation_to_deletion(service: RunningService) -> None:
    seen = []
    location = service.post("uws/sleeper", {"duration": 0.3, "RUNID": "<valid>"}).headers["Location"]
    path = location.removeprefix(service.url)

    def look() -> str:
        text = service.get(path).text
        SCHEMA.validate(text)
        phase = re.search("<uws:phase>(.*?)</uws:phase>", text)
        assert phase
        seen.append(phase[1])
        return phase[1]

    assert look() == "PENDING"
    service.post(path, {"PHASE": "RUN"})
    wait_until(lambda: look() == "COMPLETED")
    assert set(seen) <= {"PENDING", "QUEUED", "EXECUTING", "COMPLETED"}
    SCHEMA.validate(service.get("uws?PHASE=COMPLETED&LAST=5").text)


def test_a_job_reads_the_file_it_was_given(service: RunningService) -> None:
    answer = service.post("uws/count-lines", {"PHASE": "RUN"}, files={"TEXT": ("../a b.txt", "1\n2\n3\n4\n")})
    assert answer.status_code == 303, answer.text
    path = answer.headers["Location"].removeprefix(service.url)
    wait_until(lambda: service.get(path + "/phase").text in ("COMPLETED", "ERROR"))
    assert service.get(path + "/results/count").text.split() == ["4"], service.get(path + "/error").text
    # the job folder goes with the job
    folder = service.state_dir / "jobs" / path.rpartition("/")[2]
    assert [file.name[12:] for file in (folder / "uploads").iterdir()] == ["-a_b.txt"]
    assert service.request("DELETE", path, allow_redirects=False).status_code == 303
    assert not folder.exists()


def test_a_queued_job_tells_where_it_stands(sim_archive: Path, tmp_path: Path) -> None:
    with run_service(tmp_path, sim_archive, "--workers=1") as service:
        jobs = [
            service.post("uws/sleeper", {"duration": 600, "PHASE": "RUN"}).headers["Location"].removeprefix(service.url)
            for _ in range(3)
        ]
        wait_until(lambda: service.get(jobs[0] + "/phase").text == "EXECUTING")
        documents = [service.get(job).text for job in jobs]
        assert "<worker>" in documents[0]
        assert "<queue_position>0<" in documents[1]
        assert "<queue_position>1<" in documents[2]
        assert all("<cores>1</cores><memory>512 MiB</memory>" in text for text in documents)


class _Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(b"1\n2\n")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/lines.txt"
        server.shutdown()


def test_a_file_by_url_from_an_allowed_host_only(
    service: RunningService, site: str, sim_archive: Path, tmp_path: Path
) -> None:
    answer = service.post("uws/count-lines", {"text": site})
    assert (answer.status_code, "text: the host '127.0.0.1'" in answer.text) == (400, True), answer.text
    types = service.state_dir.parent / "types"
    options = ["--ServeApp.fetch_hosts=127.0.0.1", "--ServeApp.public_url=https://site.org/up%20/"]
    with run_service(tmp_path, sim_archive, *options, JUPYTER_UWS_DESCRIPTIONS=str(types)) as trusting:
        answer = trusting.post("uws/count-lines", {"text": site})
        assert answer.status_code == 303, answer.text
        # and this one has a proxy before it
        root = "https://site.org/up%20/"
        assert answer.headers["Location"].startswith(root)
        path = answer.headers["Location"].removeprefix(root)
        assert trusting.get(path + "/parameters/text").text == "1\n2\n"
        assert f">{root}{path}/parameters/text</uws:parameter>" in trusting.get(path).text
