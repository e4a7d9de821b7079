"""kill -9 of the service at random points: no job lost, none run twice, no orphan, nothing half-written."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from siege import besiege


@pytest.mark.timeout(600)
async def test_killed_again_and_again(tmp_path: Path) -> None:
    """A bounded version; ``make bench ARGS='kills --kills 200'`` is the long one."""
    sieges = await asyncio.gather(*(besiege(tmp_path / str(seed), 5, seed) for seed in (1, 2)))
    for siege in sieges:
        print(f"{siege.kills} kills, {len(siege.words)} jobs: {dict(sorted(siege.amid.items()))}")
    assert [fault for siege in sieges for fault in siege.faults] == []
    assert sum(siege.kills for siege in sieges) == 10
    assert sum(siege.amid["at last COMPLETED"] for siege in sieges) > 5
