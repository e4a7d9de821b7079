"""The queue: in order, the owners in turn, and no job on a worker that it does not fit."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from jupyter_uws.execution.fifo import LOOK_AHEAD, Fifo


def queue(jobs: Iterable[tuple[str, str]], slots: int = 0) -> Fifo:
    fifo = Fifo()
    for job, owner in jobs:
        fifo.put(job, owner)
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
        ((job, slot),) = fifo.match()
        started.append(job)
        fifo.release(slot)
    assert started == ["a0", "b0", "c0", "a1", "b1", "a2"]
    assert len(fifo) == 297


def test_a_newcomer_is_next() -> None:
    fifo = queue([("a0", "ada"), ("a1", "ada"), ("a2", "ada")], slots=1)
    assert fifo.match() == [("a0", "s0")]
    fifo.put("b0", "bob")
    assert fifo.position("b0") == 1
    fifo.release("s0")
    assert fifo.match() == [("a1", "s0")]
    fifo.release("s0")
    assert fifo.match() == [("b0", "s0")]


def test_jobs_that_fit_nowhere_are_passed() -> None:
    fifo = queue(((f"j{number}", "ada") for number in range(3)), slots=2)
    assert fifo.match(lambda job, slot: job != "j0" and slot == "s1") == [("j1", "s1")]
    assert fifo.waiting == ["j0", "j2"]
    assert fifo.free == ["s0"]
    assert fifo.busy == {"s1"}


def test_not_all_of_a_long_queue_is_looked_at() -> None:
    fifo = queue(((f"j{number}", "ada") for number in range(10 * LOOK_AHEAD)), slots=1)
    asked: list[str] = []
    assert fifo.match(lambda job, slot: bool(asked.append(job))) == []
    assert len(asked) == LOOK_AHEAD + 1


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40))
def test_nothing_is_lost(steps: list[tuple[str, bool]]) -> None:
    """Jobs put and removed in any order: each of the rest is started once, an owner's in their order."""
    fifo = Fifo()
    kept: list[tuple[str, str]] = []
    for number, (owner, keep) in enumerate(steps):
        fifo.put(f"{number}", owner)
        if keep:
            kept.append((f"{number}", owner))
        else:
            assert fifo.remove(f"{number}")
            assert not fifo.remove(f"{number}")
    assert len(fifo) == len(kept)
    assert [fifo.position(job) for job in fifo.waiting] == list(range(len(kept)))
    fifo.join("s")
    started = []
    while pairs := fifo.match():
        started.append(pairs[0][0])
        fifo.release("s")
    assert sorted(started) == sorted(job for job, _ in kept)
    for owner in "abc":
        of_owner = [job for job, its in kept if its == owner]
        assert [job for job in started if job in of_owner] == of_owner
    assert len(fifo) == 0
    assert fifo.clear() == []
