"""The queue: in order, the owners in turn, and no job on a worker that does not serve its need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from jupyter_uws.execution.fifo import LOOK_AHEAD, Fifo


def anyone(need: int, slots: Iterable[str]) -> str | None:
    return next(iter(slots), None)


def queue(jobs: Iterable[tuple[str, str]], slots: int = 0) -> Fifo[int]:
    """Jobs of the need 0."""
    fifo: Fifo[int] = Fifo()
    for job, owner in jobs:
        fifo.put(job, owner, 0)
    for slot in range(slots):
        fifo.join(f"s{slot}")
    return fifo


def test_owners_take_turns() -> None:
    """Who queues hundreds of jobs does not keep others from their first."""
    fifo = queue([*((f"a{number}", "ada") for number in range(300)), ("b0", "bob"), ("b1", "bob"), ("c0", "cyd")])
    assert fifo.waiting[:6] == ["a0", "b0", "c0", "a1", "b1", "a2"]
    fifo.join("s")
    started = []
    for _ in range(6):
        ((job, slot),) = fifo.match(anyone)
        started.append(job)
        fifo.release(slot)
    assert started == ["a0", "b0", "c0", "a1", "b1", "a2"]
    assert len(fifo) == 297


def test_a_newcomer_is_next() -> None:
    fifo = queue([("a0", "ada"), ("a1", "ada"), ("a2", "ada")], slots=1)
    assert fifo.match(anyone) == [("a0", "s0")]
    fifo.put("b0", "bob", 0)
    assert fifo.position("b0") == 1
    fifo.release("s0")
    assert fifo.match(anyone) == [("a1", "s0")]
    fifo.release("s0")
    assert fifo.match(anyone) == [("b0", "s0")]


def test_jobs_that_no_worker_serves_are_passed() -> None:
    fifo: Fifo[int] = Fifo()
    for job, need in (("big0", 9), ("big1", 9), ("a", 1), ("b", 1), ("c", 2)):
        fifo.put(job, "ada", need)
    for slot in ("s1", "s2"):
        fifo.join(slot)
    # a slot serves the need that it is called after
    serves = lambda need, slots: next((slot for slot in slots if slot == f"s{need}"), None)  # noqa: E731
    assert fifo.match(serves) == [("a", "s1"), ("c", "s2")]
    assert fifo.waiting == ["big0", "big1", "b"]
    assert fifo.needs == Counter({9: 2, 1: 1})
    assert list(fifo.needs) == [9, 1]
    assert fifo.free == []
    fifo.release("s1")
    assert fifo.match(serves) == [("b", "s1")]
    assert fifo.clear(lambda need: need == 9) == ["big0", "big1"]
    assert len(fifo) == 0


def test_alike_jobs_are_looked_at_once() -> None:
    """However long the queue is, and whatever it is made of."""
    asked: list[int] = []

    def nobody(need: int, slots: Iterable[str]) -> None:
        asked.append(need)

    fifo = queue(((f"j{number}", "ada") for number in range(10_000)), slots=1)
    assert fifo.match(nobody) == []
    assert asked == [0]
    for number in range(10 * LOOK_AHEAD):
        fifo.put(f"k{number}", "bob", number)
    assert fifo.match(nobody) == []
    assert len(asked) == 1 + LOOK_AHEAD


def test_an_owner_whose_jobs_cannot_start_loses_no_turn() -> None:
    fifo: Fifo[int] = Fifo()
    fifo.put("a0", "ada", 9)
    fifo.put("a1", "ada", 9)
    fifo.put("b0", "bob", 1)
    fifo.put("b1", "bob", 1)
    fifo.join("s")
    small = lambda need, slots: next(iter(slots), None) if need < 5 else None  # noqa: E731
    assert fifo.match(small) == [("b0", "s")]
    fifo.release("s")
    assert fifo.match(anyone) == [("a0", "s")]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40))
def test_nothing_is_lost(steps: list[tuple[str, bool]]) -> None:
    """Jobs put and removed in any order: each of the rest is started once, an owner's in their order."""
    fifo: Fifo[int] = Fifo()
    kept: list[tuple[str, str]] = []
    for number, (owner, keep) in enumerate(steps):
        fifo.put(f"{number}", owner, number % 2)
        if keep:
            kept.append((f"{number}", owner))
        else:
            assert fifo.remove(f"{number}")
            assert not fifo.remove(f"{number}")
    assert len(fifo) == len(kept)
    assert [fifo.position(job) for job in fifo.waiting] == list(range(len(kept)))
    fifo.join("s")
    started = []
    while pairs := fifo.match(anyone):
        started.append(pairs[0][0])
        fifo.release("s")
    assert sorted(started) == sorted(job for job, _ in kept)
    for owner in "abc":
        of_owner = [job for job, its in kept if its == owner]
        assert [job for job in started if job in of_owner] == of_owner
    assert len(fifo) == 0
    assert fifo.clear() == []
