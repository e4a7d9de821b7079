"""One executor on a real Dask cluster for the tests of this room."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from execution_bench import Bench

from jupyter_uws.execution.cluster import ClusterConfig


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("jobs"), ClusterConfig(workers=2))
    yield bench
    await bench.executor.close()
