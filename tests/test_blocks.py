"""A block's nursery: one exception comes out as it was raised, several as a group."""

import pytest
import trio

from engine.blocks import block_nursery


async def raising(error):
    raise error


async def test_the_blocks_own_exception_comes_as_it_was():
    with pytest.raises(LookupError, match=r"^mine$") as caught:
        async with block_nursery():
            raise LookupError("mine")

    assert caught.value.__context__ is None


async def test_a_cause_stays_with_its_exception():
    with pytest.raises(LookupError) as caught:
        async with block_nursery():
            raise LookupError from KeyError("why")

    assert isinstance(caught.value.__cause__, KeyError)


async def test_two_exceptions_stay_a_group():
    async def block():
        async with block_nursery() as nursery:
            nursery.start_soon(raising, KeyError())
            raise LookupError

    with pytest.raises(ExceptionGroup) as caught:
        await block()

    assert len(caught.value.exceptions) == 2


async def test_a_cancelled_task_beside_it_does_not_hide_an_exception():
    scope = trio.CancelScope()

    async def block():
        async with block_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            scope.cancel()
            raise LookupError

    with scope, pytest.raises(LookupError):
        await block()

    assert not scope.cancelled_caught


async def test_cancellation_passes_through():
    with trio.CancelScope() as scope:
        async with block_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            scope.cancel()
            await trio.sleep_forever()

    assert scope.cancelled_caught
