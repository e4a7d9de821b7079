"""kill -9 of the service at random points, many times; prints the books, and fails where one line of them is wrong.

``make bench ARGS="kills --kills 200"``
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "durability"))

from siege import Siege, besiege


async def run(kills: int, services: int, seed: int, folder: Path) -> list[Siege]:
    share = [kills // services + (number < kills % services) for number in range(services)]
    sieges = (besiege(folder / str(number), count, seed + number) for number, count in enumerate(share))
    return await asyncio.gather(*sieges)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--services", type=int, default=2, help="how many are besieged at the same time")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="uws-kills-", ignore_cleanup_errors=True) as folder:
        sieges = asyncio.run(run(options.kills, options.services, options.seed, Path(folder)))
    amid = sum((siege.amid for siege in sieges), Counter[str]())
    starts = sum(siege.starts for siege in sieges)
    print(f"seed {options.seed}: {sum(siege.kills for siege in sieges)} kills in {time.monotonic() - began:.0f} s")
    print(f"{sum(len(siege.words) for siege in sieges)} jobs asked for, {starts} runs started")
    for what, count in sorted(amid.items()):
        print(f"  {what:24} {count}")
    faults = [fault for siege in sieges for fault in siege.faults]
    print("\n".join(faults) or "no job lost, none run twice, no orphan, no wrong phase, no half-written result")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
