"""What users of a shared service never see of each other, by whatever way they come to it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from safety.conftest import ADMIN, OTHER, OWNER, Site
from safety.test_route_table import TABLE, made_places, wrong_answers

#: Where everybody is a user, nobody is the one who runs the service: what is his is administrators' only.
OF_ADMINISTRATORS = {
    r"/shutdown": {"POST": "403"},
    r"/cluster": {"GET": "403 403 200", "HEAD": "403 403 200"},
    r"/metrics": {"GET": "403 403 200", "HEAD": "403 403 200"},
}


def places_of_users(site: Site) -> dict[str, str]:
    """What the table's paths stand for, once the owner's first job is over."""
    path = site.job(PHASE="RUN")
    site.until(path, "COMPLETED")
    return made_places(site, path, OWNER)


def wrong_answers_to_users(site: Site, places: dict[str, str], pattern: str) -> list[str]:
    """Where the owner, another user, an administrator or nobody is answered otherwise than the table says."""
    allowed = OF_ADMINISTRATORS.get(pattern, TABLE[pattern][1])
    return wrong_answers(site, places, pattern, allowed, {OWNER, OTHER, ADMIN, "anonymous"})


def check_lists(site: Site, places: dict[str, str]) -> None:
    """Jobs in lists, baskets, and uploaded tables are their owner's; an administrator sees the jobs of all."""
    job = places["DONE"].rpartition("/")[2]
    assert job in site.ask(OWNER, "GET", "uws?LAST=1000").text
    assert job not in site.ask(OTHER, "GET", "uws?LAST=1000").text
    assert job not in site.ask(ADMIN, "GET", "uws?LAST=1000").text
    assert site.ask(OTHER, "GET", "uws?ALL=1").status_code == 403
    assert job in site.ask(ADMIN, "GET", "uws?ALL=1&LAST=1000").text
    assert [basket["name"] for basket in site.ask(OTHER, "GET", "baskets").json()["baskets"]] == []
    votable = (
        '<VOTABLE version="1.4"><RESOURCE><TABLE><FIELD name="n" datatype="int"/>'
        "<DATA><TABLEDATA><TR><TD>7</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    )
    form = {"LANG": "ADQL", "QUERY": "SELECT n FROM TAP_UPLOAD.mine", "UPLOAD": "mine,param:t", "FORMAT": "csv"}
    answer = site.ask(OWNER, "POST", "tap/sync", data=form, files={"t": ("t.xml", votable)})
    assert answer.text.split() == ["n", "7"]
    del form["UPLOAD"]
    assert site.ask(OTHER, "POST", "tap/sync", data=form).status_code == 400


def check_events(site: Site) -> None:
    """A stream of events tells of the caller's own jobs only."""
    with site.ask(OTHER, "GET", "uws/events", stream=True, timeout=60) as answer:
        lines: Iterator[bytes] = answer.iter_lines(1)
        assert next(line for line in lines if line.startswith(b"event: ready"))
        foreign, own = site.job(OWNER), site.job(OTHER)
        told = []
        while not told or told[-1]["job_id"] != own.rpartition("/")[2]:
            line = next(line for line in lines if line.startswith(b"data:"))
            if "job_id" in (event := json.loads(line[5:])):
                told.append(event)
        assert foreign.rpartition("/")[2] not in {event["job_id"] for event in told}
