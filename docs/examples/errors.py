"""What goes wrong, and where it shows: before a session, in it, and at its end."""

import trio
import trio.testing

from engine import (
    BidiConnectionCloseEvent,
    BidiErrorEvent,
    BidiModelTimeoutError,
    ClientSettings,
    ConfigError,
    ConnectionLost,
    EngineSettings,
    HandshakeRejected,
    ServerReported,
    SessionConfig,
    UnsupportedContent,
    open_session,
)
from engine.simulator import SimulatorSettings, serve
from engine.testing import in_memory
from engine.wire.client import ConversationItemDelete


def a_wrong_setting() -> None:
    try:
        EngineSettings(input_frame_ms=5)
    except ConfigError as error:
        print(f"ConfigError: {error}")


async def nobody_there() -> None:
    client = ClientSettings(base_url="ws://127.0.0.1:9/v1", api_key="any-text")
    try:
        async with open_session(SessionConfig(client=client)):
            pass
    except HandshakeRejected as error:
        print(f"HandshakeRejected: status {error.status}")
    except ConnectionLost as error:
        print(f"ConnectionLost: {error}")


async def a_wrong_key() -> None:
    config = SessionConfig(client=ClientSettings(api_key="wrong"))
    async with serve(SimulatorSettings(keys=["right"]), host=None) as simulator:
        try:
            async with open_session(config, connector=in_memory(simulator)):
                pass
        except ServerReported as error:
            print(f"ServerReported: {error.code}, fatal={error.fatal}")


async def while_it_lives() -> None:
    config = SessionConfig(client=ClientSettings(api_key="any-text"))
    async with serve(host=None) as simulator, open_session(config, connector=in_memory(simulator)) as session:
        try:
            await session.send("just text")
        except UnsupportedContent as error:
            print(f"UnsupportedContent: {error}")

        await session.raw.send(ConversationItemDelete(item_id="no_such_item"))
        async for event in session.receive():
            match event:
                case BidiErrorEvent():
                    print(f"BidiErrorEvent: {event.code}")
                    await session.stop()
                case BidiConnectionCloseEvent():
                    print(f"BidiConnectionCloseEvent: {event.reason}")


ONE_CONNECTION = EngineSettings(on_timeout="raise", reconnect=None)


async def its_time_is_over(settings: SimulatorSettings, timeout_s: float) -> None:
    config = SessionConfig(client=ClientSettings(api_key="any-text", timeout_s=timeout_s), engine=ONE_CONNECTION)
    async with serve(settings, host=None) as simulator:
        try:
            async with open_session(config, connector=in_memory(simulator)) as session:
                async for _ in session.receive():
                    pass
        except BidiModelTimeoutError as error:
            print(f"BidiModelTimeoutError: {error}")


async def the_server_goes_away() -> None:
    config = SessionConfig(client=ClientSettings(api_key="any-text"), engine=ONE_CONNECTION)
    async with serve(host=None) as simulator:
        try:
            async with open_session(config, connector=in_memory(simulator)) as session:
                await simulator.disconnect_all()
                async for _ in session.receive():
                    pass
        except ConnectionLost as error:
            print(f"ConnectionLost: code {error.code}, {error.reason}")


async def main() -> None:
    a_wrong_setting()
    await a_wrong_key()
    await while_it_lives()
    await its_time_is_over(SimulatorSettings(), timeout_s=60)
    await its_time_is_over(SimulatorSettings(session_max_s=30), timeout_s=3000)
    await the_server_goes_away()


trio.run(nobody_there)
trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
