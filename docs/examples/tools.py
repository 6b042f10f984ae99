"""Functions that the model may call: several at once, one that answers later, one that asks first, one that ends it."""

from typing import Annotated, Any, Literal

import trio
import trio.testing

from engine import BidiTextInputEvent, BidiTranscriptStreamEvent, ClientSettings, SessionConfig, open_session
from engine.simulator import Call, Say, Script, serve
from engine.testing import in_memory
from engine.tools import CallReport, Deferred, ToolCall, Tools

SCRIPT = Script.of(
    [Call("get_weather", {"city": "Oslo"}), Call("get_weather", {"city": "Atlantis"})],
    Say("Oslo has seven degrees. I do not know Atlantis."),
    [Call("write_report", {"pages": 2}), Call("buy", {"what": "yacht", "price": 90_000})],
    Say("The report is under way. You will not let me buy a yacht."),
    Say("Your report is ready."),
    Call("hang_up"),
    Say("Goodbye!"),
)


def log(report: CallReport) -> None:
    print(f"  {report.call.name}: {report.ending} after {report.took_s:g} s")


tools = Tools(on_report=log)


@tools.add
async def get_weather(city: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> dict[str, Any]:
    """Give the temperature in a city.

    Args:
        city: As people call it.
        unit: What to measure in.
    """
    await trio.sleep(1)  # asks somebody
    if city != "Oslo":
        raise LookupError(f"no city is called {city}")
    return {"city": city, unit: 7}


@tools.add
async def write_report(pages: Annotated[int, "From 1 to 10"]) -> Deferred:
    """Write a report on what was said."""

    async def write() -> str:
        await trio.sleep(pages * 20)
        return f"{pages} pages"

    return Deferred(write)


async def ask_the_owner(call: ToolCall) -> bool | str:
    return call.arguments["price"] < 100 or "it is too expensive"


@tools.add(approve=ask_the_owner, deadline_s=20)
async def buy(what: str, price: float) -> str:
    """Buy something."""
    return f"bought {what} for {price}"


@tools.add(ends_session=True)
async def hang_up() -> None:
    """End the call when the user says goodbye."""


async def type_text(session: Any) -> None:
    for text in ("How warm is it in Oslo and in Atlantis?", "Write a report, and buy a yacht.", "Thank you, bye."):
        await session.send(BidiTextInputEvent(text))
        await trio.sleep(60)


async def main() -> None:
    config = SessionConfig(client=ClientSettings(api_key="any-text"), tools=tools.specs)
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        open_session(config, connector=in_memory(simulator)) as session,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(type_text, session)
        async for event in session.run(tools):
            match event:
                case BidiTranscriptStreamEvent(is_final=True):
                    print(f"{event.role}: {event.text}")
        nursery.cancel_scope.cancel()

        kinds = [message.event["item"]["type"] for message in simulator.sessions[0].received if "item" in message.event]
        print("items:", kinds)
        print("requests:", simulator.sessions[0].received.counts["response.create"])


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
