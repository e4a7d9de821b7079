"""Every route of the service, with every method, as every kind of caller: one table says what is answered.

A route that is not in the table fails the test, and so does one that does not ask who calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import run_service
from safety.conftest import ADMIN, OTHER, OWNER, Site
from tornado.web import Application

from jupyter_uws import rendezvous
from jupyter_uws.service.app import Service, Settings
from jupyter_uws.service.archive import ArchiveRoutes
from jupyter_uws.service.dashboard import DashboardRoutes, OpenHandler, guarded
from jupyter_uws.service.handlers import ServiceHandler

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
QUERY = r"/(tap)/async/(\d[\w.-]*)"
JOB = r"/uws/([a-z][a-z0-9_-]*)/(\d[\w.-]*)"
RUN = "ivo%3A%2F%2Fjupyter-uws%2FSIM-DR1%3F100001"
#: What anybody who is let in gets: reading is free, and nothing else is possible.
PAGE = {"GET": "200", "HEAD": "200"}
UWS_PAGE = {**PAGE, "OPTIONS": "204"}
OWN = {"GET": "200 403 200", "HEAD": "200 403 200", "OPTIONS": "204"}

#: What is open to everybody.
EVERYBODY = {r"/health/(live|ready)"}
#: Pattern -> path, then method -> status for the owner of the job, another user, and an administrator;
#: one status where it is the same for all, a fourth where the holder of the token, who is another user, comes
#: otherwise than by the relay. A method that is not named is 405. JOB stands for a new job of
#: the owner, DONE for one that is over.
TABLE: dict[str, tuple[str, dict[str, str]]] = {
    r"/": ("", PAGE),
    r"/health": ("health", PAGE),
    r"/health/(live|ready)": ("health/ready", PAGE),
    r"/login": ("login", PAGE),
    r"/metrics": ("metrics", {"GET": "200 200 200 200", "HEAD": "200 200 200 200"}),
    # a job runs, so nobody stops it here
    r"/shutdown": ("shutdown", {"POST": "409 409 409 403"}),
    r"/cluster": ("cluster", {"GET": "200 200 200 403", "HEAD": "200 200 200 403"}),
    # its own user's and administrators'; what is below it is in tests/service/test_service_dashboard.py
    r"/dashboard(?:/.*)?": ("dashboard", {"GET": "403 403 302", "HEAD": "403 403 302"}),
    r"/remote": ("remote", PAGE),
    # no such service; what is passed on is in tests/service/test_service_remotes.py
    r"/remote/([^/]+)(?:/.*)?": ("remote/nosuch/tap", dict.fromkeys(("GET", "HEAD", "POST", "PUT", "DELETE"), "404")),
    r"/targets": ("targets", PAGE),
    r"/baskets": ("baskets", PAGE),
    # each caller has baskets of the own only, and here only the owner has one
    r"/baskets/([^/]+)": (
        "baskets/of%20alice",
        {
            "GET": "200 404 404",
            "HEAD": "200 404 404",
            'PATCH {"note": "mine"}': "200 404 404",
            "PUT {": "400",
            "DELETE": "204 404 404",
        },
    ),
    r"/uws/types": ("uws/types", PAGE),
    r"/uws/capabilities": ("uws/capabilities", UWS_PAGE),
    r"/uws/availability": ("uws/availability", UWS_PAGE),
    r"/uws/([a-z][a-z0-9_-]*)/descriptor": ("uws/sleeper/descriptor", UWS_PAGE),
    r"/uws/([a-z][a-z0-9_-]*)/description": ("uws/sleeper/description", PAGE),
    r"/uws/([a-z][a-z0-9_-]*)/schema": ("uws/sleeper/schema", PAGE),
    r"/uws/?": ("uws", {**UWS_PAGE, "POST": "400"}),
    r"/uws/events": ("uws/events", UWS_PAGE),
    r"/uws/([a-z][a-z0-9_-]*)/?": ("uws/sleeper", {**UWS_PAGE, "POST duration=1": "303"}),
    r"/uws/(\d[\w.-]*)": ("uws/ID", {"GET": "303 403 303", "HEAD": "303 403 303", "OPTIONS": "204"}),
    JOB: (
        "JOB",
        {
            **OWN,
            "POST duration=2": "303 403 403",
            "POST PHASE=RUN": "303 403 403",
            "POST PHASE=ABORT": "303 403 303",
            "POST ACTION=DELETE": "303 403 303",
            "POST ACTION=NOTHING": "400 403 400",
            "DELETE": "303 403 303",
        },
    ),
    rf"{JOB}/(phase|executionduration|destruction)": (
        "JOB/phase",
        {**OWN, "POST PHASE=RUN": "303 403 403", "POST PHASE=ABORT": "303 403 303"},
    ),
    rf"{JOB}/(phase|executionduration|destruction) ": (
        "JOB/executionduration",
        {**OWN, "POST EXECUTIONDURATION=7": "303 403 403"},
    ),
    rf"{JOB}/(phase|executionduration|destruction)  ": (
        "JOB/destruction",
        {**OWN, "POST DESTRUCTION=2099-01-01": "303 403 403"},
    ),
    rf"{JOB}/(quote|owner|error)": ("JOB/owner", OWN),
    rf"{JOB}/parameters": ("JOB/parameters", {**OWN, "POST duration=3": "303 403 403"}),
    rf"{JOB}/parameters/([^/]+)": (
        "JOB/parameters/duration",
        {**OWN, "POST VALUE=3": "303 403 403", "PUT 4": "303 403 403"},
    ),
    rf"{JOB}/results": ("DONE/results", OWN),
    rf"{JOB}/results/([^/]+)": ("DONE/results/RESULT", OWN),
    rf"{JOB}/(stdout|stderr)": ("DONE/stdout", OWN),
    rf"{JOB}/provenance": ("DONE/provenance", OWN),
    r"/tap/examples": ("tap/examples", UWS_PAGE),
    r"/(tap)/async/?": ("tap/async", {**UWS_PAGE, "POST a=b": "303"}),
    QUERY: (
        "QUERY",
        {
            **OWN,
            "POST MAXREC=2": "303 403 403",
            "POST PHASE=ABORT": "303 403 303",
            "POST ACTION=DELETE": "303 403 303",
            "DELETE": "303 403 303",
        },
    ),
    rf"{QUERY}/(phase|executionduration|destruction)": (
        "QUERY/phase",
        {**OWN, "POST PHASE=RUN": "303 403 403", "POST PHASE=ABORT": "303 403 303"},
    ),
    rf"{QUERY}/(quote|owner|error)": ("QUERY/owner", OWN),
    rf"{QUERY}/parameters": ("QUERY/parameters", {**OWN, "POST MAXREC=3": "303 403 403"}),
    rf"{QUERY}/parameters/([^/]+)": (
        "QUERY/parameters/QUERY_",
        {**OWN, "POST VALUE=SELECT": "303 403 403", "PUT SELECT": "303 403 403"},
    ),
    rf"{QUERY}/results": ("ANSWERED/results", OWN),
    rf"{QUERY}/results/([^/]+)": ("ANSWERED/results/result", OWN),
    rf"{QUERY}/(stdout|stderr)": ("ANSWERED/stdout", OWN),
    rf"{QUERY}/provenance": ("ANSWERED/provenance", OWN),
    r"/tap/sync": (
        "tap/sync?LANG=ADQL&QUERY=SELECT+TOP+1+*+FROM+ivoa.obscore",
        {**UWS_PAGE, "POST a=b": "200"},
    ),
    r"/tap/?": ("tap", UWS_PAGE),
    r"/tap/capabilities": ("tap/capabilities", UWS_PAGE),
    r"/tap/availability": ("tap/availability", UWS_PAGE),
    r"/tap/tables": ("tap/tables", UWS_PAGE),
    r"/tap/tables/([^/]+)": ("tap/tables/ivoa.obscore", UWS_PAGE),
    r"/datalink/links": ("datalink/links?ID=" + RUN, {**UWS_PAGE, "POST ID=a": "200"}),
    r"/datalink/bundle": ("datalink/bundle?ID=" + RUN, {**UWS_PAGE, "POST a=b": "200"}),
    r"/datalink/preview/(counts|energy|time)": ("datalink/preview/counts?ID=" + RUN, UWS_PAGE),
    r"/datalink/capabilities": ("datalink/capabilities", UWS_PAGE),
    r"/datalink/availability": ("datalink/availability", UWS_PAGE),
    r"/files/([^/]+)/(.+)": ("files/FILE", UWS_PAGE),
    "anything else": ("nosuch/place", dict.fromkeys(METHODS, "404")),
}


@pytest.fixture(scope="module")
def assembled(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service's parts in this process, to be asked for their routes; it does not listen."""
    state_dir = tmp_path_factory.mktemp("assembled")
    state_dir.chmod(0o700)
    service = Service(Settings(state_dir, rendezvous.socket_path(state_dir), archive=sim_archive))
    yield service
    service.archive_routes.close()
    service.store.close()


def routes(application: Application) -> Iterator[tuple[str, Any]]:
    for rule in application.wildcard_router.rules:
        if isinstance(rule.target, ArchiveRoutes):
            yield from routes(rule.target._make())
        elif isinstance(rule.target, DashboardRoutes):
            yield rule.matcher.regex.pattern.removesuffix("$"), guarded(OpenHandler)
        else:
            yield rule.matcher.regex.pattern.removesuffix("$"), rule.target


def test_every_route_is_in_the_table(assembled: Service) -> None:
    found = {pattern for pattern, _ in routes(assembled.application())}
    assert len(found) > 15
    assert found == {pattern.rstrip() for pattern in TABLE} - {"anything else"}


def test_every_route_asks_who_calls_and_bounds_the_body(assembled: Service) -> None:
    application = assembled.application()
    handlers = [handler for _, handler in routes(application)]
    for handler in [*handlers, application.settings["default_handler_class"]]:
        assert issubclass(handler, ServiceHandler), handler
        assert handler._stream_request_body, handler
        order = [base.__name__ for base in handler.__mro__]
        assert order.index("ServiceHandler") < order.index("BodyMixin"), handler


@pytest.fixture(scope="module")
def done(site: Site) -> str:
    path = site.job(PHASE="RUN")
    running = site.job(duration="600", PHASE="RUN")
    site.until(path, "COMPLETED")
    site.until(running, "EXECUTING")
    return path


def made_places(site: Site, done: str, reader: str) -> dict[str, str]:
    """What the table's paths stand for: a job and a query of the owner that are over, a file of the archive."""
    assert site.ask(OWNER, "PUT", "baskets/of%20alice", data="{}").status_code == 200
    answered = site.query(PHASE="RUN")
    site.until(answered, "COMPLETED")
    links = site.ask(reader, "GET", "datalink/links?ID=" + RUN).text
    file = links.partition("/files/")[2].partition("<")[0]
    return {"ANSWERED": answered, "DONE": done, "RESULT": site.results(done)[0], "FILE": file}


@pytest.fixture(scope="module")
def places(site: Site, done: str) -> dict[str, str]:
    return made_places(site, done, "token")


def ask(site: Site, caller: str, method: str, path: str, body: str) -> int:
    more: dict[str, Any] = {"stream": True}
    if body:
        more["data"] = body
        more["headers"] = {"Content-Type": "application/x-www-form-urlencoded" if "=" in body else "text/plain"}
    with site.ask(caller, method, path, **more) as answer:
        return answer.status_code


def wrong_answers(
    site: Site, places: dict[str, str], pattern: str, allowed: dict[str, str], callers: set[str]
) -> list[str]:
    """Where one of ``callers`` is answered otherwise than the table says."""
    template = TABLE[pattern][0]
    for name, place in places.items():
        template = template.replace(name, place)
    named = {request.split()[0] for request in allowed}
    requests = {**allowed, **{method: "405" for method in METHODS if method not in named}}
    wrong = []
    for request, statuses in requests.items():
        method, _, body = request.partition(" ")
        owner, other, admin, *token = statuses.split() if " " in statuses else [statuses] * 3
        anonymous = owner if pattern in EVERYBODY else "401"
        expected = {OWNER: owner, OTHER: other, ADMIN: admin, "token": [*token, other][0], "anonymous": anonymous}
        for caller, status in expected.items():
            if caller not in callers:
                continue
            # a new one each time: what one caller does is nothing to the next
            path = template.replace("JOB", site.job()) if "JOB" in template else template
            path = re.sub(r"\bID$", lambda _: site.job().rpartition("/")[2], path)
            path = re.sub(r"^QUERY\b", lambda _: site.query(), path).replace("QUERY_", "QUERY")
            found = ask(site, caller, method, path, body)
            if found != int(status):
                wrong.append(f"{request} {path} as {caller}: {found}, not {status}")
    return wrong


@pytest.mark.parametrize("pattern", TABLE)
def test_the_table_holds(site: Site, places: dict[str, str], pattern: str) -> None:
    wrong = wrong_answers(site, places, pattern, TABLE[pattern][1], {OWNER, OTHER, ADMIN, "token", "anonymous"})
    assert not wrong, "\n".join(wrong)
    site.healthy()


OPEN = ("/tap/", "/datalink/", "/files/")


@pytest.fixture(scope="module")
def open_site(sim_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with run_service(tmp_path_factory.mktemp("anonymous"), sim_archive, "--anonymous-archive") as running:
        yield Site(running)


def test_an_open_archive_is_read_by_anybody_and_nothing_else_is(open_site: Site, places: dict[str, str]) -> None:
    wrong = []
    job, query = open_site.job(), open_site.query()
    for pattern, (template, allowed) in TABLE.items():
        path = re.sub(r"^QUERY\b", query, template.replace("JOB", job)).replace("QUERY_", "QUERY")
        for name, place in {**places, "DONE": job, "ANSWERED": query}.items():
            path = path.replace(name, place)
        named = {request.split()[0] for request in allowed}
        requests = {**allowed, **{method: "405" for method in METHODS if method not in named}}
        for request, statuses in requests.items():
            method, _, body = request.partition(" ")
            status = int(statuses.split()[0]) if pattern.startswith(OPEN) or pattern in EVERYBODY else 401
            if (found := ask(open_site, "anonymous", method, path, body)) != status:
                wrong.append(f"{request} {path}: {found}, not {status}")
            if (found := ask_with_a_wrong_token(open_site, method, path)) != 401:
                wrong.append(f"{request} {path} with a wrong token: {found}")
    assert not wrong, "\n".join(wrong)
    open_site.healthy()


def ask_with_a_wrong_token(site: Site, method: str, path: str) -> int:
    return site.ask("anonymous", method, path, headers={"Authorization": "token wrong"}).status_code


# What an administrator may, in detail


def listed(site: Site, caller: str, query: str = "") -> set[str]:
    answer = site.ask(caller, "GET", f"uws{query}")
    assert answer.status_code == 200, answer.text
    return {line.split('"')[1] for line in answer.text.splitlines() if "<uws:jobref" in line}


def test_lists_hold_the_callers_jobs_and_all_for_an_administrator_who_asks(site: Site) -> None:
    ids = {owner: site.job(owner).rpartition("/")[2] for owner in (OWNER, OTHER, ADMIN)}
    for owner in ids:
        assert listed(site, owner) & set(ids.values()) == {ids[owner]}
        assert listed(site, owner, "?ALL=0") & set(ids.values()) == {ids[owner]}
    assert listed(site, ADMIN, "?ALL=1") >= set(ids.values())
    assert listed(site, ADMIN, "/sleeper?all=1&LAST=3") == set(ids.values())
    for caller in (OWNER, "token"):
        answer = site.ask(caller, "GET", "uws?ALL=1")
        assert (answer.status_code, "only an administrator" in answer.text) == (403, True)
    assert site.ask(ADMIN, "GET", "uws?ALL=yes").status_code == 400


def test_a_job_keeps_its_owner_when_an_administrator_stops_it(site: Site) -> None:
    path = site.job(duration="600", PHASE="RUN")
    site.until(path, "EXECUTING")
    answer = site.ask(ADMIN, "POST", path + "/phase", data={"PHASE": "RUN"})
    assert (answer.status_code, "an administrator may see, abort and delete it" in answer.text) == (403, True)
    assert site.ask(ADMIN, "POST", path + "/phase", data={"PHASE": "ABORT"}).status_code == 303
    assert site.phase(path) == "ABORTED"
    assert site.ask(OWNER, "GET", path + "/owner").text == OWNER


def test_an_administrator_is_so_by_the_relays_word_only(site: Site) -> None:
    path = site.job()
    for headers in ({"X-UWS-Owner": ADMIN}, {"X-UWS-Owner": ADMIN, "X-UWS-Secret": "wrong"}):
        assert site.ask("token", "GET", path, headers=headers).status_code == 403
        assert site.ask("anonymous", "GET", path, headers=headers).status_code == 401
    for name in ("BOSS", "boss%20", "%20boss", "boss%00", "boss%0A", "boss,bob", "b%C3%B6ss"):
        assert site.ask(OTHER, "GET", path, headers={"X-UWS-Owner": name}).status_code in (400, 403), name


def test_events_are_the_callers_own(site: Site) -> None:
    with site.ask(OTHER, "GET", "uws/events", stream=True, timeout=5) as answer:
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith(b"event: ready"))
        foreign, own = site.job(OWNER), site.job(OTHER)
        told = b""
        while own.rpartition("/")[2].encode() not in told:
            told += next(lines)
        assert foreign.rpartition("/")[2].encode() not in told
