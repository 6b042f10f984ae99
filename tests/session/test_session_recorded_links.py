"""A session of several connections, recorded: each message with its own, played again and looked at as it was."""

import pytest
import trio
from survivors import Break, surviving, talking

from engine.cli.inspect import inspect
from engine.cli.inspect_call import seen_call
from engine.cli.inspect_figures import Figures
from engine.errors import ConnectionLost, HandshakeRejected
from engine.recording import LinkRecord, Loss, read_recording
from engine.testing import replay
from engine.testing.replayed import plans_of

AT_S = 30.0
TIMES = {"client": {"timeout_s": AT_S}, "session_max_s": 60.0, "renew_margin_s": 10.0}


async def talk(caller, lose):
    """A turn on each connection: one that is renewed, the next one, which is lost, and the one after that."""
    await caller.speak(1)
    await caller.answered("turn 1")
    await caller.type("typed 1")
    await caller.answered("typed 1")
    await caller.until(lambda: len(caller.restarts) == 1)
    await caller.speak(2)
    await caller.answered("turn 2")
    await caller.session.playback.heard_out()
    await trio.sleep(2)
    await lose()
    await caller.until(lambda: len(caller.restarts) == 2)
    await caller.type("typed 2")
    await caller.answered("typed 2")
    await caller.speak(3)
    await caller.answered("turn 3")
    await caller.session.playback.heard_out()


async def nothing():
    await trio.lowlevel.checkpoint()


async def recorded(path, how="reset", **more):
    """Record that talk; give its simulator, and what the application was told."""
    async with surviving(record=path, **{**TIMES, **more}) as (simulator, network, caller):

        async def lose():
            network.line.end(Break(how))

        await talk(caller, lose)
        return simulator, caller, caller.session.statistics()


def restarts(caller):
    return [(event.reason, event.replayed_items, event.left_out_items, event.asked_again) for event in caller.restarts]


def since_first(caller):
    return [event.received_at - caller.restarts[0].received_at for event in caller.restarts]


@pytest.mark.parametrize("how", ["reset", "eof", 1011, "expired"])
async def test_it_is_replayed_as_it_was(tmp_path, how, autojump_clock):
    _, before, _ = await recorded(tmp_path / "call.jsonl", how)

    async with replay(tmp_path / "call.jsonl") as served:
        async with talking(served.connector, **TIMES) as caller:
            await talk(caller, nothing)
            again = caller.session.statistics()
        assert list(map(str, served.differences)) == []
        assert served.server.total_sessions == 3

    assert restarts(caller) == restarts(before)
    assert caller.complete() == before.complete()
    assert since_first(caller) == pytest.approx(since_first(before), abs=0.5)
    assert again.links.carried == 3


async def test_each_message_is_of_the_connection_that_it_went_over(tmp_path, autojump_clock):
    simulator, _, _ = await recorded(tmp_path / "call.jsonl")
    recording = read_recording(tmp_path / "call.jsonl")

    for number, ledger in enumerate(simulator.sessions, 1):
        went = [entry for entry in recording.entries if entry.link == number]
        sent, received = ([entry.type for entry in went if entry.direction == way] for way in ("client", "server"))
        assert sent == ledger.received.types
        assert received == ledger.sent.types[: len(received)]
        assert received[0] == "session.created"
    prepared = {entry.type for entry in recording.entries if entry.aside and entry.direction == "client"}
    assert prepared == {"session.update", "conversation.item.create"}
    first, second, third = recording.links
    assert (first.opened_s, first.took_over_s, first.loss, second.opened_s) == (0.0, 0.0, None, first.closed_s)
    assert first.closed_s == second.took_over_s == pytest.approx(AT_S, abs=0.5)
    assert (second.loss, second.closed_s) == (Loss(), third.opened_s)
    assert third.closed_s <= recording.end.at_s


async def test_attempts_that_failed_are_marked_and_not_played(tmp_path, autojump_clock):
    async with surviving(record=tmp_path / "call.jsonl") as (_, network, caller):
        network.next.extend([HandshakeRejected(503, "busy"), ConnectionLost("nobody is there")])
        network.line.end(Break("reset"))
        await caller.until(lambda: caller.restarts)

    links = read_recording(tmp_path / "call.jsonl").links
    assert [(link.number, link.failed, link.took_over_s is None) for link in links] == [
        (1, False, False),
        (2, True, True),
        (3, True, True),
        (4, False, False),
    ]
    assert [link.loss for link in links[1:3]] == [Loss(status=503, reason="busy"), Loss()]
    assert len(plans_of(read_recording(tmp_path / "call.jsonl"))) == 2


async def test_a_recording_that_begins_later_knows_which_connection_talks(tmp_path, autojump_clock):
    async with surviving(**TIMES) as (_, _, caller):
        await caller.until(lambda: caller.restarts)
        async with caller.session.record(tmp_path / "call.jsonl"):
            await caller.type("typed 1")
            await caller.answered("typed 1")

    recording = read_recording(tmp_path / "call.jsonl")
    assert {(entry.link, entry.aside) for entry in recording.entries} == {(2, False)}
    assert recording.links == (LinkRecord(number=2, took_over_s=0.0),)


async def test_what_is_inspected_is_the_talk_once(tmp_path, autojump_clock, capsys):
    _, _, told = await recorded(tmp_path / "call.jsonl", 1011)
    recording = read_recording(tmp_path / "call.jsonl")
    figures, call = Figures.of(recording), seen_call(recording)

    assert [(turn.began, len(turn.responses)) for turn in figures.turns.turns] == [
        (turn.began, len(turn.responses)) for turn in told.turns
    ]
    assert figures.turns.totals.tokens == told.totals.tokens
    said = [turn.heard or turn.said for turn in call.recording.turns]
    assert said == ["turn 1", "typed 1", "turn 2", "typed 2", "turn 3"]
    assert len(call.recording.answers) == 5
    assert told.totals.turns == 5

    inspect(tmp_path / "call.jsonl", None)
    lines = capsys.readouterr().out.splitlines()
    at = lines.index(next(line for line in lines if line.strip() == "connections")) + 4
    rows = [line.split() for line in lines[at : at + 3]]
    assert [(row[0], " ".join(row[4:-2])) for row in rows] == [
        ("1", "closed"),
        ("2", "lost with close code 1011"),
        ("3", "closed"),
    ]
    assert rows[0][1:4] == ["0.00", "0.00", rows[1][2]]


async def test_raw_events_tell_their_connection(autojump_clock):
    async with surviving(**TIMES) as (simulator, _, caller):
        with caller.session.raw.listen() as tap:
            await caller.until(lambda: caller.restarts)
            await caller.type("typed 1")
            await caller.answered("typed 1")
            await caller.session.stop()
        events = [event async for event in tap]

    prepared = [event for event in events if event.link == 2]
    assert [type(event.event).__name__ for event in prepared if event.direction == "client"] == [
        "SessionUpdate",
        "ConversationItemCreate",
        "ResponseCreate",
    ]
    assert len([event for event in prepared if event.direction == "server"]) == len(simulator.sessions[1].sent)


async def test_only_the_talk_is_measured_and_costs_go_on(autojump_clock):
    async with surviving(**TIMES) as (_, network, caller):
        await caller.type("typed 1")
        await caller.answered("typed 1")
        before = caller.session.statistics()
        await caller.until(lambda: caller.restarts)
        network.line.end(Break("reset"))
        await caller.until(lambda: len(caller.restarts) == 2)
        between = caller.session.statistics()
        assert between.turns == before.turns
        assert between.totals == before.totals
        await caller.type("typed 2")
        await caller.answered("typed 2")
        after = caller.session.statistics()

    assert [turn.began for turn in after.turns] == ["text", "text"]
    assert after.totals.tokens.total > before.totals.tokens.total
    assert after.totals.responses == {"completed": 2}
