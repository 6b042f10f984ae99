"""The seed and our facade, side by side: same steps, same server, and no difference but those of the table below."""

import copy

import differences
import pytest
import trio
from differences import Pair, Row, Transcript, compare, tidy, told_apart
from drivers.steps import play
from openai.types.realtime import RealtimeClientEvent
from ours import Ours
from pydantic import TypeAdapter
from scenarios import SCENARIOS, events_in
from scripted_server import serve_script
from simulated_scenarios import SIMULATED

from engine import simulator

pytestmark = pytest.mark.peers

CLIENT_EVENTS = TypeAdapter(RealtimeClientEvent)

ALLOWED = [
    # What the contract asks to be done in another way than the seed's.
    Row("service errors are only logged -> ... and the client event it answers", differences.event_ids),
    Row("service errors are only logged -> ... BidiErrorEvent with code, message, param", differences.errors_told),
    Row("service errors are only logged -> fatal ones end the session", differences.refused_session),
    Row("service errors are only logged -> fatal ones with a typed exception", differences.expiry_typed),
    Row(
        "several tool results of one response each ask -> one `response.create`",
        differences.one_request_for_all_results,
    ),
    Row("sends `response.create` at once, while a response is active -> one gate", differences.request_waits),
    Row("a response that ends in tool calls as complete -> stop reason `tool_use`", differences.stop_reasons),
    Row("arguments that are not JSON: waits for ever -> both are told", differences.arguments_refused),
    Row("call ids cut to 32 characters -> mapped to unique ones", differences.call_ids_unique),
    Row("`role` of a text event is ignored -> honoured", differences.role_honoured),
    Row("after an interruption, queued audio still comes out -> stale audio is purged", differences.stale_audio_purged),
    Row("the model believes that all was heard -> it is told what was", differences.unheard_taken_back),
    Row("`stop()` while `receive()` waits raises -> BidiConnectionCloseEvent", differences.stop_ends_receive),
    Row("a broken connection raises the library's exception -> our own", differences.loss_typed),
    Row("a broken connection raises the library's exception -> a clean close ends", differences.clean_close_told),
    Row("`current_transcript` is only set on final events -> always", differences.text_so_far),
    Row("marks itself started before the connection exists -> startable", differences.failed_start_leaves_nothing),
    Row("checks `timeout_s` only when a message comes by -> on time", differences.timeout_on_time),
    # What follows from the contract elsewhere.
    Row("default instructions -> the same, in words of our own", differences.default_instructions),
    Row(
        "looks for a segment's text where the service has none -> `.segment` is told, final", differences.segments_told
    ),
    Row("sends each microphone frame as it comes -> frames are joined to `input_frame_ms`", differences.frames_joined),
    Row(
        "connects, then finds what it can't send -> bad configuration fails before a connection is made",
        differences.history_checked_first,
    ),
]


class Comparisons:
    """Plays each conversation once, on both, and keeps what came of it."""

    def __init__(self, seed_process):
        self._seed_process = seed_process
        self._pairs = {}

    async def of(self, name):
        if name not in self._pairs:
            play_both = self._on_script if name in SCENARIOS else self._on_simulator
            self._pairs[name] = await play_both(name)
        return self._pairs[name]

    async def _both(self, play_one, steps, server_events):
        sides = {}

        async def keep(side):
            sides[side] = await play_one(side)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep, "seed")
            nursery.start_soon(keep, "ours")
        return Pair(sides["seed"], sides["ours"], steps, server_events)

    async def _play(self, side, url, steps, patience_s):
        job = {"url": url, "steps": copy.deepcopy(steps), "patience_s": patience_s}
        return await (self._seed_process.ask(job) if side == "seed" else play(Ours, job))

    async def _on_script(self, name):
        scenario = SCENARIOS[name]

        async def play_one(side):
            async with serve_script(copy.deepcopy(scenario.connections)) as server:
                played = await self._play(side, server.base_url, scenario.steps, scenario.patience_s)
                with trio.fail_after(5):
                    await server.all_ended()
            check_messages(server.ledger.messages)
            return Transcript.of(played, server.ledger.handshakes, server.ledger.messages)

        return await self._both(play_one, scenario.steps, events_in(scenario.connections))

    async def _on_simulator(self, name):
        scenario = SIMULATED[name]
        settings = simulator.SimulatorSettings(pace=simulator.INSTANT)
        server_events = []

        async def play_one(side):
            async with simulator.serve(settings, scenario.script.responder) as server:
                played = await self._play(side, server.base_url, scenario.steps, 10.0)
                with trio.fail_after(5):
                    while server.active_sessions:  # noqa: ASYNC110 - it has no event for this
                        await trio.sleep(0.005)
                (ledger,) = server.sessions
            assert ledger.crash is None
            messages = [message.event for message in ledger.received]
            check_messages(messages)
            transcript = Transcript.of(played, [], messages)
            sent = tidy(transcript, [message.event for message in ledger.sent])
            server_events.extend(sent if side == "ours" else ())
            return transcript

        return await self._both(play_one, scenario.steps, server_events)


def check_messages(messages):
    for message in messages:
        CLIENT_EVENTS.validate_python(message)


@pytest.fixture(scope="module")
def comparisons(seed_process):
    return Comparisons(seed_process)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_ORGANIZATION", "OPENAI_PROJECT", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", SCENARIOS)
async def test_seed_and_facade_say_the_same_to_the_same_script(comparisons, name):
    theirs, ours = compare(await comparisons.of(name), ALLOWED)
    if difference := told_apart(theirs, ours):
        pytest.fail(difference)


@pytest.mark.parametrize("name", SIMULATED)
async def test_seed_and_facade_say_the_same_to_the_simulator(comparisons, name):
    pair = await comparisons.of(name)
    theirs, ours = compare(pair, ALLOWED)
    if difference := told_apart(theirs, ours):
        pytest.fail(difference)
    assert len(ours["events"]) >= SIMULATED[name].least_events


@pytest.mark.parametrize("row", ALLOWED, ids=lambda row: row.take_out.__name__)
async def test_row_of_the_table_stands_for_a_difference_that_is_there(comparisons, row):
    others = [each for each in ALLOWED if each is not row]
    for name in (*SCENARIOS, *SIMULATED):
        theirs, ours = compare(await comparisons.of(name), others)
        if ours != theirs:
            return
    pytest.fail(f"no conversation differs for want of this row; take it out: {row.says}")


@pytest.mark.parametrize("name", SCENARIOS)
async def test_nothing_of_ours_can_go_missing_behind_the_table(comparisons, name):
    pair = await comparisons.of(name)
    unseen = []
    for part in ("events", "messages"):
        for index, lost in enumerate(getattr(pair.ours, part)):
            without = copy.deepcopy(pair)
            del getattr(without.ours, part)[index]
            theirs, ours = compare(without, ALLOWED)
            if ours == theirs:
                unseen.append(lost)
    assert unseen == []
