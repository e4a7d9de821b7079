"""Files for parameters: inline, by reference to a part, by URL, by PUT; kept, described and served back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import defusedxml.ElementTree as ElementTree
import pytest

from jupyter_uws.uws.manager import JobManager
from jupyter_uws.uws.model import Job

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
BOUNDARY = "x-boundary"
Field = tuple[str, str | None, str, bytes]  # name, file name, content type, content


def form(*fields: Field) -> tuple[bytes, dict[str, str]]:
    body = b""
    for name, filename, content_type, content in fields:
        named = f'; filename="{filename}"' if filename is not None else ""
        kind = f"Content-Type: {content_type}\r\n" if content_type else ""
        body += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n{kind}\r\n'.encode()
        body += content + b"\r\n"
    return body + f"--{BOUNDARY}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def value(name: str, text: str) -> Field:
    return name, None, "", text.encode()


async def send(site: Any, path: str, *fields: Field) -> Any:
    body, headers = form(*fields)
    return await site(path, "POST", body, headers=headers)


async def created(site: Any, manager: JobManager, *fields: Field) -> Job:
    answer = await send(site, "uws/quicklook", *fields)
    assert answer.code == 303, answer.body
    return manager.get(site.owner, "quicklook", answer.headers["Location"].rpartition("/")[2])


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


TABLE = b"ra,dec\n83.6,22.0\n"
DIGEST = hashlib.sha256(TABLE).hexdigest()
WAYS: dict[str, Sequence[Field]] = {
    "a part called as the parameter": [("TABLE", "my table.csv", "text/csv", TABLE)],
    "whatever the case": [("table", "my table.csv", "text/csv", TABLE)],
    "a reference to a part": [value("TABLE", "param:t1"), ("t1", "my table.csv", "text/csv", TABLE)],
    "a type that says nothing": [("TABLE", "my table.csv", "application/octet-stream", TABLE)],
    "a path as its name": [("TABLE", "../../etc/my table.csv", "text/csv", TABLE)],
}


@pytest.mark.parametrize("fields", WAYS.values(), ids=WAYS)
async def test_inline_files(site: Any, manager: JobManager, executor: Any, fields: Sequence[Field]) -> None:
    job = await created(site, manager, value("RA", "83.6"), *fields)
    (upload,) = job.uploads
    assert job.parameters == {"RA": ["83.6"], "TABLE": [upload.path]}
    assert (upload.parameter, upload.filename, upload.size, upload.sha256) == (
        "TABLE",
        "my_table.csv",
        len(TABLE),
        DIGEST,
    )
    assert upload.path == f"uploads/{DIGEST[:12]}-my_table.csv"
    assert (executor.folder / job.job_id / upload.path).read_bytes() == TABLE

    document = ElementTree.fromstring((await site(f"uws/quicklook/{job.job_id}")).body)
    parameters = {element.get("id"): element for element in document.find(f"{UWS}parameters")}
    assert parameters["RA"].get("byReference") is None
    assert parameters["TABLE"].get("byReference") == "true"
    answer = await site(parameters["TABLE"].text.removeprefix(site.root))
    assert (answer.body, answer.headers["Content-Type"]) == (TABLE, "text/csv")
    assert answer.headers["Content-Disposition"] == "inline; filename*=UTF-8''my_table.csv"
    assert answer.headers["Content-Security-Policy"] == "sandbox"


async def test_a_referred_part_without_a_file_name(site: Any, manager: JobManager, executor: Any) -> None:
    job = await created(site, manager, value("RA", "1"), value("TABLE", "param:t1"), value("t1", "1,2"))
    assert (await site(f"uws/quicklook/{job.job_id}/parameters/table")).body == b"1,2"


async def test_a_file_by_url(site: Any, manager: JobManager, executor: Any) -> None:
    answer = await site("uws/quicklook", "POST", "RA=1&TABLE=http://data.site.org/list.txt?signature=secret")
    assert answer.code == 303, answer.body
    job = manager.get("alice", "quicklook", answer.headers["Location"].rpartition("/")[2])
    (upload,) = job.uploads
    assert (upload.filename, upload.size, upload.content_type) == ("list.txt", 5, "text/plain")
    # what signs a URL is not kept
    assert upload.source == "http://data.site.org/list.txt"
    assert (await site(f"uws/quicklook/{job.job_id}/parameters/TABLE")).body == b"1 2 3"


async def test_several_files_for_one_parameter(site: Any, manager: JobManager) -> None:
    fields = [value("IMAGES", "param:a"), value("IMAGES", "param:b")]
    parts: list[Field] = [("a", "a.png", "image/png", b"A"), ("b", "b.png", "image/png", b"B")]
    job = await created(site, manager, value("RA", "1"), *fields, *parts)
    document = ElementTree.fromstring((await site(f"uws/quicklook/{job.job_id}/parameters")).body)
    links = [element.text for element in document if element.get("id") == "IMAGES"]
    assert [(await site(link.removeprefix(site.root))).body for link in links] == [b"A", b"B"]
    answer = await site(f"uws/quicklook/{job.job_id}/parameters/IMAGES?ITEM=3")
    assert (answer.code, b"has 2 files" in answer.body) == (404, True)


async def test_files_are_replaced_while_pending(site: Any, manager: JobManager, executor: Any) -> None:
    job = await created(site, manager, value("RA", "1"), ("TABLE", "a.csv", "text/csv", TABLE))
    url = f"uws/quicklook/{job.job_id}"
    assert (await send(site, url, ("TABLE", "b.csv", "text/csv", b"new"))).code == 303
    assert (await site(f"{url}/parameters/TABLE")).body == b"new"
    assert (await send(site, f"{url}/parameters", ("TABLE", "c.csv", "text/csv", b"newer"))).code == 303
    assert (await site(f"{url}/parameters/TABLE", "PUT", "by PUT", headers={"Content-Type": "text/plain"})).code == 303
    answer = await site(f"{url}/parameters/TABLE")
    assert (answer.body, answer.headers["Content-Type"]) == (b"by PUT", "text/plain")
    assert (await send(site, f"{url}/parameters/TABLE", ("VALUE", "e.csv", "text/csv", b"last"))).code == 303
    # nothing of the older ones is left
    (upload,) = manager.get("alice", "quicklook", job.job_id).uploads
    assert files_below(executor.folder / job.job_id) == [upload.path]
    # a value that has nothing to do with the file leaves it alone
    assert (await site(url, "POST", "RA=2")).code == 303
    assert (await site(f"{url}/parameters/TABLE")).body == b"last"
    await site(f"{url}/phase", "POST", "PHASE=RUN")
    assert (await send(site, url, ("TABLE", "b.csv", "text/csv", b"late"))).code == 403
    assert files_below(executor.folder / job.job_id) == [upload.path]


BAD: dict[str, tuple[Sequence[Field], str]] = {
    "too large": ([("TABLE", "a.csv", "text/csv", b"x" * 1001)], "TABLE is a file of 1001 bytes.*at most 1000"),
    "wrong type": (
        [("TABLE", "a.png", "image/png", b"x")],
        r"TABLE is a file of type 'image/png', allowed is: text/\*",
    ),
    "no such part": ([value("TABLE", "param:t1")], "TABLE is 'param:t1', but the form has no part 't1'"),
    "a bare value": ([value("TABLE", "uploads/x")], "TABLE is 'uploads/x', allowed is a file"),
    "file URL": ([value("TABLE", "file:///etc/passwd")], "TABLE is 'file:///etc/passwd', allowed is a file"),
    "refused URL": ([value("TABLE", "http://127.0.0.1/")], "TABLE: the URL 'http://127.0.0.1/' is refused"),
    "of no parameter": ([("RA", "a.csv", "text/csv", b"1")], "the file 'RA' belongs to no parameter.*TABLE, IMAGES"),
    "twice": ([("TABLE", "a", "text/csv", b"1"), ("TABLE", "b", "text/csv", b"2")], "two files have the same name"),
    "with a bad value": ([value("COLOUR", "x"), ("TABLE", "a", "text/csv", b"1")], "COLOUR"),
}


@pytest.mark.parametrize(("fields", "text"), BAD.values(), ids=BAD)
async def test_bad_files_are_refused_and_leave_nothing(
    site: Any, manager: JobManager, executor: Any, fields: Sequence[Field], text: str
) -> None:
    answer = await send(site, "uws/quicklook", value("RA", "1"), ("IMAGES", "i.png", "image/png", b"good"), *fields)
    assert answer.code == 400
    assert re.search(text, answer.body.decode()), answer.body
    assert manager.store.find() == []
    assert not executor.folder.exists() or files_below(executor.folder) == []


async def test_others_cannot_read_a_file(site: Any, manager: JobManager) -> None:
    job = await created(site, manager, value("RA", "1"), ("TABLE", "a.csv", "text/csv", TABLE))
    site.owner = "mallory"
    assert (await site(f"uws/quicklook/{job.job_id}/parameters/TABLE")).code == 403
    answer = await send(site, f"uws/quicklook/{job.job_id}/parameters", ("TABLE", "b.csv", "text/csv", b"x"))
    assert answer.code == 403
