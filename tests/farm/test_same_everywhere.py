"""One plan in one loop, in two processes and on two Ray nodes comes to the same results, whoever had which session."""

from collections import Counter
from functools import partial

import pytest
import trio
from one_plan import one_plan, table_of

from engine.farm.backends.ray import RayBackend
from engine.farm.backends.ray_address import place_of
from engine.farm.ledger import Ledger
from engine.farm.run import run_plan

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return one_plan(tmp_path_factory.mktemp("plan"))


@pytest.fixture(scope="module")
def local(plan, tmp_path_factory):
    """The table of a run in one loop."""
    out = tmp_path_factory.mktemp("local") / "run"
    trio.run(partial(run_plan, plan, out=out, workers=1))
    table = table_of(out)
    # Proof that there is something to compare: sessions passed and failed, tools were called, files were kept.
    assert Counter(row[2] for row in table) == {"passed": 4, "failed": 2}
    assert sum(len(row[9]) for row in table) == 2
    assert all(len(row[10]) == 3 for row in table)
    return table


async def test_two_processes_come_to_the_same_results_as_one_loop(plan, local, tmp_path):
    await run_plan(plan, out=tmp_path / "two", workers=2)
    assert table_of(tmp_path / "two") == local
    assert _workers(tmp_path / "two") == {"worker-1", "worker-2"}


@pytest.mark.ray
@pytest.mark.parametrize("shared", [True, False], ids=["one disk", "nothing shared"])
async def test_two_ray_nodes_come_to_the_same_results_as_one_loop(plan, local, tmp_path, ray_nodes, shared):
    def backend(spec):
        return RayBackend(spec, place=place_of(f"ray:{ray_nodes.address}"), shared=shared)

    await run_plan(plan, out=tmp_path / "ray", workers=2, backend=backend)
    assert table_of(tmp_path / "ray") == local
    assert _workers(tmp_path / "ray") == {"worker-1", "worker-2"}
    for result in Ledger.open(tmp_path / "ray", write=False).results():
        assert [(tmp_path / "ray" / file.path).stat().st_size for file in result.files] == [
            file.size_bytes for file in result.files
        ]


def _workers(folder):
    return {attempt.worker for attempt in Ledger.open(folder, write=False).attempts()}
