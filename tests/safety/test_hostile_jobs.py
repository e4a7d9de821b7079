"""What clients send as values and names of files, all the way through jobs: nothing of it is interpreted."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import wait_until
from safety.conftest import OWNER, Site

TRAP = "touched-by-a-value"
VALUES = [
    f"$(touch {TRAP})",
    f"`touch {TRAP}`",
    f"; touch {TRAP}",
    f"| touch {TRAP}",
    f"|| touch {TRAP} #",
    f"&& touch {TRAP}",
    f"& touch {TRAP} &",
    f"\ntouch {TRAP}\n",
    f"\r\ntouch {TRAP}\r\n",
    f"'; touch {TRAP}; '",
    f'"; touch {TRAP}; "',
    f'"$(touch {TRAP})"',
    f"> {TRAP}",
    f"<(touch {TRAP})",
    f"() {{ :; }}; touch {TRAP}",
    "x[$(touch " + TRAP + ")]",
    "${IFS}$HOME~*?[a-z]{a,b}!!",
    "%s%n%d%x",
    "{text}{data}{0}",
    "\\n\\x00\\",
    "-rf /",
    "--help",
    "é \u202e \U0001f52d \u2028",
    "<script>alert(1)</script>&amp;]]>",
    "../../../../etc/passwd",
    "' OR 1=1; DROP TABLE jobs; --",
]


def trapped(site: Site) -> list[Path]:
    """Files that a value made, wherever a process of the service or of a job could have run."""
    places = [site.service.state_dir.parent, Path.cwd(), Path.home(), Path("/tmp")]
    return [path for place in places for path in place.glob(TRAP)] + list(site.service.state_dir.rglob(TRAP))


def finished(site: Site, job_type: str, **form: object) -> str:
    answer = site.ask(OWNER, "POST", f"uws/{job_type}", **{"data": {}, **form})
    assert answer.status_code == 303, answer.text
    path = f"uws/{job_type}/" + answer.headers["Location"].rpartition("/")[2]
    site.until(path, "COMPLETED", "ERROR")
    assert site.phase(path) == "COMPLETED", site.ask(OWNER, "GET", path + "/stderr").text
    return path


def stdout(site: Site, path: str) -> str:
    return site.ask(OWNER, "GET", path + "/stdout").content.decode()


def test_values_reach_a_command_as_they_are(site: Site) -> None:
    path = finished(site, "repeat", data={"PHASE": "RUN"} | {f"t{n}": value for n, value in enumerate(VALUES)})
    assert stdout(site, path) == "".join(f"[{value}]" for value in VALUES)
    assert trapped(site) == []
    # and back: the resource of the parameter gives what was sent
    for number, value in enumerate(VALUES):
        assert site.ask(OWNER, "GET", f"{path}/parameters/t{number}").content.decode() == value
    site.healthy()


def test_commands_to_a_terminal_are_no_values(site: Site) -> None:
    answer = site.ask(OWNER, "POST", "uws/repeat", data={"t0": "\x1b[2J\x07"})
    assert answer.status_code == 400
    assert answer.text.rstrip("\n").isprintable()


def test_a_value_reaches_a_script_as_it_is(site: Site) -> None:
    value = "".join(VALUES)
    path = finished(site, "shell", data={"text": value, "PHASE": "RUN"})
    assert stdout(site, path) == f"[{value}]"
    assert trapped(site) == []


@pytest.mark.parametrize(
    "name",
    [
        f"$(touch {TRAP})",
        f"text;touch {TRAP};y",
        f"true\ntouch {TRAP}",
        "PATH",
        "LD_PRELOAD",
        "BASH_ENV",
        "BASH_FUNC_printf%%",
        "UWS_JOB_DIR",
        "text[0]",
        "../text",
        "",
    ],
)
def test_a_name_that_is_not_described_goes_nowhere(site: Site, name: str) -> None:
    answer = site.ask(OWNER, "POST", "uws/shell", data={"text": "x", name: "y", "PHASE": "RUN"})
    assert answer.status_code == 400, answer.text
    assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert trapped(site) == []


FILE_NAMES = [
    "../../../evil.fits",
    "..\\..\\evil.fits",
    "/etc/cron.d/evil",
    "..",
    ".",
    ".bashrc",
    "-rf",
    f"$(touch {TRAP}).fits",
    f"a;touch {TRAP};.fits",
    "a|b&c<d>e",
    "%2e%2e%2fevil",
    "%252e%252e%252fevil",
    "a%00.fits",
    "con\u202egpj.exe",
    "é.fits",
    "a" * 1000 + ".fits",
    "request.json",
    "started.1",
    "stdout",
]


@pytest.mark.parametrize("name", FILE_NAMES)
def test_the_name_of_a_file_leads_nowhere(site: Site, name: str) -> None:
    before = set(site.service.state_dir.parent.iterdir())
    quoted = name.replace("\\", "\\\\").encode()
    body = (
        b'--x\r\nContent-Disposition: form-data; name="t0"\r\n\r\nhi\r\n'
        b'--x\r\nContent-Disposition: form-data; name="data"; filename="%b"\r\n\r\ncontent\r\n--x--\r\n' % quoted
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = site.ask(OWNER, "POST", "uws/repeat", data=body, headers=headers)
    assert answer.status_code == 303, answer.text
    job = answer.headers["Location"].rpartition("/")[2]
    folder = site.service.state_dir / "jobs" / job
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert [path.parent.name for path in files] == ["uploads"]
    assert files[0].read_bytes() == b"content"
    assert set(site.service.state_dir.parent.iterdir()) == before
    served = site.ask(OWNER, "GET", f"uws/repeat/{job}/parameters/data")
    assert served.content == b"content"
    assert set(served.headers["Content-Disposition"].partition("''")[2]) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-%"
    )
    wait_until(lambda: not list((site.service.state_dir / "incoming").iterdir()))


def test_files_with_evil_names_reach_the_job_as_files(site: Site) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nhi\r\n'
        b'--x\r\nContent-Disposition: form-data; name="PHASE"\r\n\r\nRUN\r\n'
        b'--x\r\nContent-Disposition: form-data; name="data"; filename="$(touch %b);../x"\r\n\r\ncontent\r\n--x--\r\n'
        % TRAP.encode()
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    path = finished(site, "shell", data=body, headers=headers)
    assert stdout(site, path) == "[hi]"
    assert trapped(site) == []
    site.healthy()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file:///etc/passwd", "allowed is a file"),
        ("ftp://127.0.0.1/x", "allowed is a file"),
        ("uploads/x", "allowed is a file"),
        ("../../secret", "allowed is a file"),
        ("http://127.0.0.1:PORT/health", "no address on the public Internet"),
        ("http://localhost:PORT/health", "no address on the public Internet"),
        ("http://[::1]:PORT/health", "no address on the public Internet"),
        ("http://[::ffff:127.0.0.1]:PORT/health", "no address on the public Internet"),
        ("http://2130706433:PORT/health", "no address on the public Internet"),
        ("http://169.254.169.254/latest/meta-data/", "no address on the public Internet"),
        ("http://user:secret@example.org/", "user name or password"),
        ("http://example.org/\r\nX-UWS-Secret: x", "percent-encoded"),
        ("http://example.org/a`id`|touch b", "percent-encoded"),
    ],
)
def test_a_url_is_no_way_into_the_site(site: Site, url: str, message: str) -> None:
    form = {"t0": "x", "data": url.replace("PORT", str(site.service.port))}
    answer = site.ask(OWNER, "POST", "uws/repeat", data=form)
    assert (answer.status_code, message in answer.text) == (400, True), answer.text
    assert "secret@" not in answer.text
    assert [
        path for path in (site.service.state_dir / "jobs").rglob("uploads/*") if path.read_bytes() != b"content"
    ] == []
    site.healthy()
