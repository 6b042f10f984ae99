"""What the simulator says in each talk of `strands_talks`, and what must have come of it, in every version."""

from collections.abc import Callable

import attrs

from engine.simulator import INSTANT, Call, Pace, Say, Script, SimulatorSettings, Turn

STORY = Say("Once upon a time there was a very long story.", audio=bytes(48_000 * 30))
NO_SOUND = "input_audio_buffer.append"


@attrs.frozen
class Case:
    """One talk.

    Attributes:
        script: What the service says.
        check: Looks at what the agent saw, and at what the service got, connection by connection.
        model: Settings of the model.
        pace: How fast the service is.
        session_max_s: The service's own cap.
        only: In one family only: `classic` or `current`.
    """

    script: Script
    check: Callable
    model: dict = attrs.Factory(dict)
    pace: Pace = INSTANT
    session_max_s: float = 3600.0
    only: str | None = None

    @property
    def settings(self):
        return SimulatorSettings(pace=self.pace, session_max_s=self.session_max_s)


def received(ledgers):
    """Give what each connection got, without sound."""
    return [[message.event for message in each.received if message.type != NO_SOUND] for each in ledgers]


def kinds(events):
    """Name client events, items by their kind."""
    return [event["item"]["type"] if "item" in event else event["type"] for event in events]


def texts(events):
    """Give the words that the service was told."""
    items = [event["item"] for event in events if "item" in event]
    return [part["text"] for item in items for part in item.get("content", ()) if "text" in part]


def outputs(events):
    items = [event["item"] for event in events if "item" in event]
    return {item["call_id"]: item["output"] for item in items if item["type"] == "function_call_output"}


def clean(seen, ledgers):
    """Nothing went wrong, and nothing is left."""
    assert seen["failure"] is None
    assert (seen["tasks_left"], seen["threads_left"], seen["sockets_left"]) == ([], [], 0)
    for ledger in ledgers:
        assert ledger.crash is None
        errors = [message.event["error"] for message in ledger.sent if message.type == "error"]
        assert [error for error in errors if error["code"] != "session_expired"] == []


def types(seen):
    return [event.get("type") for event in seen["events"]]


def blocks(seen, kind):
    return [block[kind] for message in seen["messages"] for block in message["content"] if kind in block]


def two_tools(seen, ledgers):
    (got,) = received(ledgers)
    assert seen["said"] == ["Ten points, and it is sunny."]
    assert sorted(seen["tools"][:2]) == ["score:10:begins", "weather:Oslo:begins"]  # side by side
    assert sorted(seen["tools"][2:]) == ["score:10:ends", "weather:Oslo:ends"]
    results = ["function_call_output"] * 2
    assert kinds(got) == ["session.update", "message", "response.create", *results, "response.create"]
    assert sorted(outputs(got).values()) == ['[{"text": "10 points"}]', '[{"text": "sunny"}]']
    assert seen["messages"][0] == {"role": "user", "content": [{"text": "Score my hand, and tell me the weather."}]}
    assert {result["toolUseId"] for result in blocks(seen, "toolResult")} == outputs(got).keys()
    assert types(seen).count("bidi_usage") == 2


def spoken(seen, ledgers):
    assert seen["said"] == ["I heard you."]
    assert seen["heard"] == ["ten of clubs"]
    assert sorted(blocks(seen, "text")) == ["I heard you.", "ten of clubs"]
    assert kinds(received(ledgers)[0]) == ["session.update"]


def restart(seen, ledgers):
    first, second = received(ledgers)
    assert seen["said"] == ["Seven, noted.", "It was seven."]
    assert texts(first) == ["Remember seven."]
    assert texts(second) == ["Remember seven.", "Seven, noted.", "What was it?"]
    assert kinds(second) == ["session.update", *["message"] * 3, "response.create"]
    assert first[0]["session"]["instructions"] == second[0]["session"]["instructions"] == "You deal cards."
    assert first[0]["session"]["tools"] == second[0]["session"]["tools"]
    assert types(seen).count("bidi_connection_restart") == 1
    assert types(seen).count("bidi_connection_start") == 2
    assert blocks(seen, "text") == [*texts(second), "It was seven."]


def restart_under_tools(seen, ledgers):
    first, second = received(ledgers)
    calls, results = ["function_call"] * 2, ["function_call_output"] * 2
    assert seen["said"] == ["Both are there."]
    assert outputs(first) == {}
    assert kinds(second) == ["session.update", "message", *calls, *results, "response.create"]
    assert sorted(outputs(second).values()) == ['[{"text": "one is there"}]', '[{"text": "two is there"}]']
    assert sorted(seen["tools"][:2]) == ["wait:one:begins", "wait:two:begins"]
    assert len(seen["tools"]) == 4  # no tool ran twice


def scheduled_restart(seen, ledgers):
    first, second = received(ledgers)
    assert seen["said"] == ["It is there."]
    assert outputs(first) == {}
    assert kinds(second) == ["session.update", "message", "function_call", "function_call_output", "response.create"]
    (restarted,) = (event for event in seen["events"] if event.get("type") == "bidi_connection_restart")
    assert (restarted["reason"], restarted["turn_interrupted"]) == ("scheduled", False)
    assert "bidi_connection_warning" in types(seen)


def renewed(seen, ledgers):
    """The engine renews the connection by itself: the agent goes on with one session and starts nothing anew."""
    _, second = received(ledgers)
    assert seen["said"] == ["Seven, noted.", "It was seven."]
    assert texts(second) == ["Remember seven.", "Seven, noted.", "What was it?"]
    assert types(seen).count("bidi_connection_start") == 1
    assert "bidi_connection_warning" in types(seen)


def interruption(seen, ledgers):
    (got,) = received(ledgers)
    (truncation,) = (event for event in got if event["type"] == "conversation.item.truncate")
    assert truncation["audio_end_ms"] < 30_000  # of the story's 30 s
    assert seen["said"][-1] == "Go on."
    assert seen["heard"] == ["stop"]
    cut_in = next(index for index, each in enumerate(types(seen)) if each in ("bidi_interruption", "bidi_barge_in"))
    answer = types(seen).index("bidi_response_start", cut_in)
    assert not {"bidi_audio_stream", "bidi_audio_delta"} & set(types(seen)[cut_in:answer])


def late_interruption(seen, ledgers):
    (got,) = received(ledgers)
    heard = [
        event["audio"] for event in seen["events"] if event.get("type") in ("bidi_audio_stream", "bidi_audio_delta")
    ]
    assert sum(heard) / 48_000 < 15  # of the story's 30 s
    (truncation,) = (event for event in got if event["type"] == "conversation.item.truncate")
    assert truncation["audio_end_ms"] < 15_000
    assert seen["said"][-1] == "Go on."


def stop_under_audio(seen, ledgers):
    assert seen["events"] == []
    assert seen["end"] == "stopped"


def stop_twice(seen, ledgers):
    _, second = received(ledgers)
    assert seen["said"] == ["Seven, noted.", "It was seven."]
    assert texts(second) == ["Remember seven.", "Seven, noted.", "What was it?"]
    assert ledgers[0].close_code == ledgers[1].close_code == 1000


def hang_up(seen, ledgers):
    assert seen["end"] == "returned"
    assert types(seen)[-1] in ("bidi_connection_close", "bidi_connection_stop")
    assert seen["events"][-1]["reason"] == "user_request"
    assert seen["events"][-1]["connection_id"] == seen["events"][0]["connection_id"]


def cancelled(seen, ledgers):
    assert seen["end"] == "cancelled"
    assert ledgers[0].close_code == 1000


def wrong_input(seen, ledgers):
    assert len(seen["raised"]) >= 4
    for error in seen["raised"].values():
        assert {"UnsupportedContent", "ValueError"} <= set(error["classes"])
        assert "content not supported" in error["text"]
    (got,) = received(ledgers)
    assert seen["said"] == ["Good day."]
    assert texts(got) == ["Hello"]
    assert ledgers[0].received.counts[NO_SOUND] == 0


def wrong_result(seen, ledgers):
    (got,) = received(ledgers)
    assert "UnsupportedContent" in seen["raised"]["result"]["classes"]
    assert "Content type not supported by OpenAI Realtime API" in seen["raised"]["result"]["text"]
    assert "can't be told here" in next(iter(outputs(got).values()))
    assert seen["said"][-1] == "Good day."


def pictures(seen, ledgers):
    (got,) = received(ledgers)
    parts = [event["item"]["content"][0]["type"] for event in got if "item" in event]
    assert parts == ["input_text", "input_image", "input_text", "input_text", "input_image"]
    assert kinds(got).count("response.create") == 2
    assert seen["said"] == ["A card.", "Another card."]


LEAVING = [{"greeting": [{"type": "session.created"}], "on": {"response.create": [[{"close": [1000, "bye"]}]]}}]
"""A service that ends the connection in order, in place of an answer."""


def service_left(seen):
    assert seen["failure"] is None
    assert "ConnectionLost" in seen["end"]["classes"]
    assert seen["end"]["text"] == "the service ended the session (complete)"
    assert "SessionEnded" in seen["raised"]["late"]["classes"]
    assert (seen["tasks_left"], seen["threads_left"], seen["sockets_left"]) == ([], [], 0)


REMEMBER = Script((Turn([Say("Seven, noted.")], when="Remember"), Turn([Say("It was seven.")], when="What was it")))
WAIT_ONE = Turn([Call("wait", {"what": "one"})], when="Look")
WAIT_BOTH = Turn([Call("wait", {"what": "one"}), Call("wait", {"what": "two"})], when="Look")
SHORT = {"timeout_s": 1.5}

CASES = {
    "two_tools": Case(
        Script.of(
            (Call("score", {"hand": "10"}), Call("weather", {"city": "Oslo"})), Say("Ten points, and it is sunny.")
        ),
        two_tools,
    ),
    "spoken": Case(Script.of(Say("I heard you."), transcripts=("ten of clubs",)), spoken),
    "restart": Case(REMEMBER, restart, SHORT),
    "restart_at_the_service_s_cap": Case(REMEMBER, restart, session_max_s=1.5),
    "restart_under_tools": Case(Script((WAIT_BOTH, Turn([Say("Both are there.")]))), restart_under_tools, SHORT),
    "scheduled_restart": Case(
        Script((WAIT_ONE, Turn([Say("It is there.")]))), scheduled_restart, {"timeout_s": 61}, only="current"
    ),
    "renewed": Case(REMEMBER, renewed, {"timeout_s": 1.5, "engine": {"on_timeout": "renew", "renew_margin_s": 1.0}}),
    "interruption": Case(Script.of(STORY, Say("Go on."), transcripts=("stop",)), interruption, pace=Pace()),
    "late_interruption": Case(Script.of(STORY, Say("Go on."), transcripts=("stop",)), late_interruption),
    "stop_under_audio": Case(Script.of(STORY), stop_under_audio),
    "stop_twice": Case(REMEMBER, stop_twice),
    "hang_up": Case(Script.of(Call("hang_up")), hang_up),
    "devices": Case(Script.of(Call("hang_up")), hang_up),
    "cancelled": Case(Script.of(STORY), cancelled, pace=Pace()),
    "wrong_input": Case(Script.of(Say("Good day.")), wrong_input),
    "wrong_result": Case(Script.of(Call("picture"), Say("Good day."), Say("Good day.")), wrong_result),
    "pictures": Case(Script.of(Say("A card."), Say("Another card.")), pictures, only="current"),
}
TALK_OF = {"restart_at_the_service_s_cap": "restart", "renewed": "restart"}
"""Cases that are another case's talk."""
