"""Sessions over real sockets that outlive their connections: a server that ends them, and one that is killed."""

import pytest
import trio
from rooms import open_sockets, tasks

from benchmarks.survival import GAP_WANTED_MS, kills, renewal

PATIENCE_S = 120.0


async def measured(measure, *sizes):
    living, sockets = tasks(), open_sockets()
    with trio.fail_after(PATIENCE_S + 600):
        told = await measure(*sizes)
    assert (tasks(), open_sockets()) == (living, sockets)
    assert told.errors == []
    assert (told.wrong, told.hung) == (0, 0), str(told)
    assert told.restarts >= told.sessions
    assert told.turns > told.sessions
    return told


@pytest.mark.parametrize(
    "sizes", [(6, 4.0, 4.0), pytest.param((200, 20.0, 45.0), marks=pytest.mark.long)], ids=["few", "many"]
)
async def test_talks_move_on_before_the_server_ends_them_and_no_sample_is_lost_or_doubled(sizes):
    told = await measured(renewal, *sizes)
    assert (told.lost, told.doubled) == (0, 0), str(told)
    assert told.most_gap_ms < GAP_WANTED_MS


@pytest.mark.parametrize(
    "sizes", [(5, 2, (0.3, 1.0)), pytest.param((50, 20), marks=pytest.mark.long)], ids=["few", "many"]
)
async def test_talks_outlive_a_server_that_is_killed_and_each_turn_is_answered_once(sizes):
    await measured(kills, *sizes)
