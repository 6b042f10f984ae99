"""Peers' fault: the end of a session's life looks as if all were well. Ours is the timeout that it is."""

import pytest
import trio
from load_clients import over_sockets

import engine
from benchmarks.fault_server import EXPIRY, Load


@pytest.mark.parametrize("expire_tells", [True, False], ids=["error_then_close_1001", "close_1001_alone"])
async def test_expired_session_is_told_as_a_timeout(expire_tells):
    with trio.fail_after(10):
        async with over_sockets(Load(expire=True, expire_tells=expire_tells)) as (session, _):
            await session.send(engine.BidiTextInputEvent("Is it late?"))
            events = session.receive()
            assert isinstance(await anext(events), engine.BidiConnectionStartEvent)
            with pytest.raises(engine.BidiModelTimeoutError, match="maximum duration of 60 minutes") as expired:
                await anext(events)
            with pytest.raises(engine.SessionEnded):
                await session.send(engine.BidiTextInputEvent("Hello?"))
    assert str(expired.value) == EXPIRY
    cause = engine.ServerReported if expire_tells else engine.ConnectionLost
    assert isinstance(expired.value.__cause__, cause)
