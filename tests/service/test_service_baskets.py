"""Baskets: what a user keeps in them, how much that may be, and that nobody else reaches it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from running import RunningService

from jupyter_uws.service.baskets import MAX_BASKETS, MAX_RUNS, Basket, BasketError, BasketStore, Conflict, changed
from jupyter_uws.uws.database import Database

RUNS = [f"ivo://jupyter-uws/SIM-DR1?{number}" for number in range(100001, 100005)]


def ask(service: RunningService, owner: str, method: str, name: str = "", body: Any = None) -> requests.Response:
    secret = (service.state_dir / "secret").read_text().strip()
    path = f"{service.url}baskets" + (f"/{quote(name, safe='')}" if name else "")
    headers = {"X-UWS-Secret": secret, "X-UWS-Owner": owner}
    more = {"data": body} if isinstance(body, str) else {"json": body}
    return requests.request(method, path, headers=headers, timeout=60, **more)  # type: ignore[arg-type]


def test_a_basket_is_made_filled_renamed_and_deleted(service: RunningService) -> None:
    name = "Crab & Möwe 100%"
    made = ask(service, "ada", "PUT", name, {"obs_publisher_dids": [*RUNS[:2], RUNS[0]], "note": "zenith < 30 deg"})
    assert made.status_code == 200, made.text
    document = made.json()
    assert document.pop("modified").endswith("Z")
    assert document == {"name": name, "obs_publisher_dids": RUNS[:2], "note": "zenith < 30 deg"}

    more = ask(service, "ada", "PATCH", name, {"add": [RUNS[3], RUNS[1]], "remove": [RUNS[0], "ivo://nowhere"]})
    assert more.json()["obs_publisher_dids"] == [RUNS[1], RUNS[3]]
    assert more.json()["note"] == "zenith < 30 deg"
    assert ask(service, "ada", "GET", name).json() == more.json()

    # whoever adds need not know whether it is there
    assert ask(service, "ada", "PATCH", "another", {"add": RUNS}).json()["obs_publisher_dids"] == RUNS
    listed = ask(service, "ada", "GET").json()["baskets"]
    assert [(basket["name"], basket["count"]) for basket in listed] == [("another", 4), (name, 2)]
    assert set(listed[0]) == {"name", "count", "modified"}

    taken = ask(service, "ada", "PATCH", name, {"name": "another"})
    assert (taken.status_code, taken.text) == (409, "there is a basket 'another' already\n")
    assert ask(service, "ada", "PATCH", name, {"name": "Crab"}).json()["obs_publisher_dids"] == [RUNS[1], RUNS[3]]
    assert ask(service, "ada", "GET", name).status_code == 404
    assert ask(service, "ada", "DELETE", "Crab").status_code == 204
    assert (ask(service, "ada", "DELETE", "Crab").text) == "there is no basket 'Crab'\n"


def test_baskets_of_one_are_nothing_to_another(service: RunningService) -> None:
    ask(service, "eve", "PUT", "shared name", {"obs_publisher_dids": RUNS[:1]})
    assert ask(service, "bob", "GET").json() == {"baskets": []}
    for method, body in (("GET", None), ("PATCH", {"remove": RUNS}), ("DELETE", None)):
        assert ask(service, "bob", method, "shared name", body).status_code == 404
    ask(service, "bob", "PUT", "shared name", {"obs_publisher_dids": RUNS[1:]})
    assert ask(service, "eve", "GET", "shared name").json()["obs_publisher_dids"] == RUNS[:1]


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("a", "{", "the request's body is not JSON"),
        ("a", "[" * 100_000, "the request's body is not JSON"),
        ("a", [1], "must be an object of JSON"),
        ("a", {"runs": []}, "'runs' is not known of a basket, allowed are: obs_publisher_dids, add"),
        ("a", {"obs_publisher_dids": "ivo://x"}, "obs_publisher_dids: allowed is a list of up to 10000"),
        ("a", {"add": [7]}, "add: '7' is no identifier"),
        ("a", {"add": ["a\nb"]}, "is no identifier"),
        ("a", {"add": [""]}, "is no identifier"),
        ("a", {"add": ["x" * 301]}, "allowed are 1 to 300 printable characters"),
        ("a", {"note": "x" * 2001}, "note: allowed is a text of up to 2000 letters"),
        ("a", {"name": "a/b"}, "the name 'a/b' cannot be a basket's"),
        ("a/b", {}, "the name 'a/b' cannot be a basket's"),
        (" a", {}, "no blanks at the ends"),
        ("x" * 101, {}, "1 to 100 printable characters"),
    ],
)
def test_what_is_no_basket_is_refused_in_one_sentence(
    service: RunningService, name: str, body: Any, words: str
) -> None:
    answer = ask(service, "ada", "PUT", name, body)
    assert answer.status_code == 400, answer.text
    assert words in answer.text
    assert answer.text.count("\n") == 1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BasketStore]:
    database = Database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    yield BasketStore(database)
    database.close()


def test_number_and_size_are_bounded(store: BasketStore) -> None:
    for number in range(MAX_BASKETS):
        store.change("ada", f"b{number}", {}, whole=True)
    with pytest.raises(Conflict, match=f"there are {MAX_BASKETS} baskets"):
        store.change("ada", "one more", {}, whole=True)
    store.change("ada", "b7", {"note": "those that are there can be changed"})
    store.change("bob", "b0", {}, whole=True)

    full = changed(Basket("full"), {"add": [f"run {number}" for number in range(MAX_RUNS)]})
    with pytest.raises(BasketError, match="would hold 10001 runs, 10000 are allowed"):
        changed(full, {"add": ["one more"]})
    assert changed(full, {"add": ["run 3"]}).obs_publisher_dids == full.obs_publisher_dids


def test_baskets_are_kept_where_the_jobs_are(store: BasketStore, tmp_path: Path) -> None:
    store.change("ada", "Crab", {"add": RUNS})
    again = Database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    try:
        assert BasketStore(again).get("ada", "Crab").obs_publisher_dids == tuple(RUNS)
    finally:
        again.close()
