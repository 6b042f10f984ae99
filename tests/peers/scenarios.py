"""What is played on the seed and on our facade: the steps of an application, and the script of the server."""

from typing import Any, Final

import attrs
from service_events import (
    Json,
    Spoken,
    audio,
    call_output,
    calls_answer,
    created,
    done,
    error,
    event,
    heard,
    session,
    spoken_turn,
    usage,
    user_text,
    written_answer,
)

ANSWERED: Final = "bidi_usage"
"""The last event of an answer."""

INSTRUCTIONS: Final = "You score hands of cards. Be brief."


@attrs.frozen
class Scenario:
    """One conversation.

    Attributes:
        name: Names the test.
        steps: What the application does.
        connections: What the server does, by connection.
        patience_s: How long a step waits for an event.
    """

    name: str
    steps: list[Json]
    connections: list[Json]
    patience_s: float = 5.0


def do(kind: str, **fields: Any) -> Json:
    return {"do": kind, **fields}


def make(**settings: Any) -> Json:
    settings.setdefault("client_config", {"api_key": "sk-test"})
    return do("make", **settings)


RECEIVE: Final = [do("receive"), do("await", type="bidi_connection_start")]


def opened(**start: Any) -> list[Json]:
    return [make(), do("start", **({"system_prompt": INSTRUCTIONS} | start)), *RECEIVE]


def completed(count: int = 1, **fields: Any) -> Json:
    return do("await", type=ANSWERED, count=count, **fields)


def connection(**on: list[list[Json]]) -> Json:
    """A connection that opens as the service does; `item`, `response` and `append` name what it answers."""
    names = {"item": "conversation.item.create", "response": "response.create", "append": "input_audio_buffer.append"}
    answers = {names[name]: lists for name, lists in on.items()}
    answers["session.update"] = [[event("session.updated", session=session())]]
    return {"greeting": [event("session.created", session=session())], "on": answers}


def sent_audio(*numbers: int, milliseconds: int = 40) -> list[Json]:
    return [do("send", audio=audio(number, milliseconds)) for number in numbers]


def result(call_id: str, *content: Json, status: str = "success") -> Json:
    return do("send", tool_result={"toolUseId": call_id, "status": status, "content": list(content)})


def _tool(name: str, schema: Any) -> Json:
    return {"name": name, "description": f"The tool {name}.", "inputSchema": schema}


SCHEMA: Final = {"type": "object", "properties": {"hand": {"type": "string"}}, "required": ["hand"]}
SCORE: Final = _tool("score", {"json": SCHEMA})
SEGMENT: Final = "words of one speaker"
ARGUMENTS: Final = '{"hand": "ten of clubs — \\u2663"}'
ASK: Final = do("send", text="Score my hand: ♣10")


def text_turn() -> Scenario:
    answer = written_answer("resp_1", "item_2", "Ten", " points", " — ♣.", after="item_1")
    script = connection(item=[user_text("item_1", "Score my hand: ♣10")], response=[answer])
    return Scenario("text_turn", [*opened(), ASK, completed()], [script])


def two_text_turns() -> Scenario:
    script = connection(
        item=[user_text("item_1", "One."), user_text("item_3", "Two.", "item_2")],
        response=[
            Spoken("resp_1", "item_2", "First", " answer.", after="item_1").whole(),
            Spoken("resp_2", "item_4", "Second.", after="item_3").whole(),
        ],
    )
    turns = [do("send", text="One."), completed(1), do("send", text="Two."), completed(2)]
    return Scenario("two_text_turns", [*opened(), *turns], [script])


def default_instructions() -> Scenario:
    return Scenario("default_instructions", [make(), do("start"), *RECEIVE], [connection()])


def settings() -> Scenario:
    inference = {"max_output_tokens": 500, "output_modalities": ["text"], "tool_choice": "required", "temperature": 1}
    steps = [
        make(
            model_id="gpt-realtime-mini",
            provider_config={"audio": {"voice": "coral"}, "inference": inference},
            client_config={"api_key": "sk-other", "organization": "org-1", "project": "proj_1", "timeout_s": 60},
        ),
        do(
            "start",
            system_prompt="Hello.",
            tools=[
                SCORE,
                _tool("score_text", {"json": '{"type": "object", "properties": {}}'}),
                _tool("score_bare", {"type": "object", "properties": {"n": {"type": "integer"}}}),
            ],
        ),
        *RECEIVE,
    ]
    return Scenario("settings", steps, [connection()])


def audio_turn() -> Scenario:
    start, end = spoken_turn("item_1")
    spoken = Spoken("resp_1", "item_2", "Ten", " points", ".", after="item_1")
    answer = [*spoken.beginning(), *spoken.delta(0), *heard("item_1", "ten", " of", " clubs"), *spoken.delta(1)]
    rest = [*spoken.delta(2), *spoken.ending(usage=usage(text_in=9, audio_in=12, text_out=5, audio_out=30))]
    script = connection(append=[[], start, [], [*end, *answer, *rest]])
    return Scenario("audio_turn", [*opened(), *sent_audio(1, 2, 3, 4), completed()], [script])


def small_audio_frames() -> Scenario:
    frames = [*sent_audio(1, 2, 3, 4, 5, milliseconds=20), *sent_audio(6, 7, milliseconds=100)]
    # 300 ms: ours are 7 messages of 40 ms, and a rest of 20 ms that `stop` sends.
    return Scenario("small_audio_frames", [*opened(), *frames, do("stop"), do("await_end")], [connection()])


def silence_transcribed() -> Scenario:
    start, end = spoken_turn("item_1")
    kind, place = "conversation.item.input_audio_transcription.", {"item_id": "item_1", "content_index": 0}
    blank = [event(kind + "delta", **place, delta=" "), event(kind + "delta", **place, delta="\n")]
    duration = {"type": "duration", "seconds": 1.0}
    empty = event(kind + "completed", **place, transcript="  ", usage=duration)
    segment = {"id": "seg_1", "speaker": "A", "start": 0.0, "end": 0.4, "text": SEGMENT}
    told = event(kind + "segment", **place, **segment)
    script = connection(append=[[*start, *end, *blank, empty, told, *Spoken("resp_1", "item_2", "Yes?").whole()]])
    return Scenario("silence_transcribed", [*opened(), *sent_audio(1), completed()], [script])


def transcription_failed() -> Scenario:
    start, end = spoken_turn("item_1")
    why = {"type": "transcription_error", "code": "audio_unintelligible", "message": "Not heard.", "param": None}
    kind = "conversation.item.input_audio_transcription.failed"
    failed = event(kind, item_id="item_1", content_index=0, error=why)
    script = connection(append=[[*start, *end, failed, *Spoken("resp_1", "item_2", "Pardon?").whole()]])
    return Scenario("transcription_failed", [*opened(), *sent_audio(1), completed()], [script])


def tool_call() -> Scenario:
    script = connection(
        item=[user_text("item_1", "Score my hand: ♣10"), call_output("item_3", "call_1", [{"text": "10"}])],
        response=[calls_answer("resp_1", ("call_1", "score", ARGUMENTS)), Spoken("resp_2", "item_4", "Ten.").whole()],
    )
    answered = result("call_1", {"text": "♣ 10"}, {"json": {"points": 10, "suits": ["♣"]}})
    steps = [*opened(tools=[SCORE]), ASK, completed(1), answered, completed(2)]
    return Scenario("tool_call", steps, [script])


def tool_fails() -> Scenario:
    script = connection(
        response=[calls_answer("resp_1", ("call_1", "score", "")), Spoken("resp_2", "item_4", "Sorry.").whole()]
    )
    answered = result("call_1", {"text": "Error: no hand"}, status="error")
    return Scenario("tool_fails", [*opened(tools=[SCORE]), ASK, completed(1), answered, completed(2)], [script])


def parallel_calls() -> Scenario:
    calls = (("call_1", "score", ARGUMENTS), ("call_2", "score", '{"hand": "two"}'), ("call_3", "score", "{}"))
    script = connection(response=[calls_answer("resp_1", *calls), Spoken("resp_2", "item_9", "All scored.").whole()])
    answers = [result(call_id, {"text": call_id}) for call_id, _, _ in calls]
    return Scenario("parallel_calls", [*opened(tools=[SCORE]), ASK, completed(1), *answers, completed(2)], [script])


def broken_arguments() -> Scenario:
    script = connection(
        response=[calls_answer("resp_1", ("call_1", "score", '{"hand": ')), Spoken("resp_2", "item_9", "So?").whole()]
    )
    steps = [*opened(tools=[SCORE]), ASK, completed(1), completed(2, patience_s=1.0)]
    return Scenario("broken_arguments", steps, [script])


def active_response() -> Scenario:
    first = Spoken("resp_1", "item_2", "A", " long", " answer.")
    script = connection(
        item=[user_text("item_1", "One."), user_text("item_3", "Two.")],
        response=[
            [*first.beginning(), *first.delta(0)],
            Spoken("resp_2", "item_4", "Answer", " to two.").whole(),
        ],
        append=[[*first.delta(1), *first.delta(2), *first.ending()]],
    )
    steps = [
        *opened(),
        do("send", text="One."),
        do("await", type="bidi_audio_stream"),
        do("send", text="Two."),
        *sent_audio(1),  # Moves the script on to the end of the first answer.
        completed(1),
        completed(2, patience_s=1.0),
    ]
    return Scenario("active_response", steps, [script])


def role_of_text() -> Scenario:
    steps = [*opened(), do("send", text="I am the dealer.", role="assistant"), do("stop"), do("await_end")]
    return Scenario("role_of_text", steps, [connection()])


LONG_IDS: Final = ("tooluse_0123456789abcdefghijklmno-first", "tooluse_0123456789abcdefghijklmno-second")


def history() -> Scenario:
    def use(call_id: str, **arguments: Any) -> Json:
        return {"toolUse": {"toolUseId": call_id, "name": "score", "input": arguments}}

    def answer(call_id: str, *content: Json) -> Json:
        return {"toolResult": {"toolUseId": call_id, "status": "success", "content": list(content)}}

    messages = [
        {"role": "user", "content": [{"text": "Hello — ♣"}, {"text": "Score this."}]},
        {"role": "assistant", "content": [{"text": "Let me see."}, use("short", hand="♣10"), use("unanswered")]},
        {"role": "user", "content": [answer("short", {"text": "10"}, {"json": {"n": 10}})]},
        {"role": "user", "content": [answer("orphan", {"text": "of a call that is gone"})]},
        {"role": "assistant", "content": [use(LONG_IDS[0], n=1), use(LONG_IDS[1], n=2)]},
        {"role": "user", "content": [answer(LONG_IDS[1], {"json": {"n": 2}}), answer(LONG_IDS[0], {"json": {"n": 1}})]},
        {"role": "assistant", "content": []},
        {"role": "assistant", "content": [{"text": "Done."}]},
    ]
    script = connection(item=[[]] * 9 + [user_text("item_1", "And?")], response=[written_answer("resp_1", "i", "No.")])
    steps = [*opened(tools=[SCORE], messages=messages), do("send", text="And?"), completed()]
    return Scenario("history", steps, [script])


def history_with_image() -> Scenario:
    picture = {"image": {"format": "png", "source": {"bytes": "AAAA"}}}
    use = {"toolUse": {"toolUseId": "call_1", "name": "draw", "input": {}}}
    answer = {"toolResult": {"toolUseId": "call_1", "status": "success", "content": [picture]}}
    messages = [{"role": "assistant", "content": [use]}, {"role": "user", "content": [answer]}]
    steps = [make(), do("start", system_prompt=INSTRUCTIONS, messages=messages)]
    return Scenario("history_with_image", steps, [connection()])


def usage_of_every_kind() -> Scenario:
    kinds = [
        usage(text_in=30, audio_in=40, image_in=50, cached=64, text_out=7, audio_out=80),
        None,
        usage(text_in=5, text_out=0),
        usage(text_in=0, image_in=3, text_out=0),
    ]
    answers = []
    for number, used in enumerate(kinds):
        spoken = Spoken(f"resp_{number}", f"item_{number}", "Yes.")
        answers.append([*spoken.beginning(), *spoken.deltas(), *spoken.ending(usage=used)])
    turns = [
        step
        for n in range(len(kinds))
        for step in (do("send", text=f"Turn {n}."), do("await", type="bidi_response_complete", count=n + 1))
    ]
    turns.append(completed(3))
    return Scenario("usage_of_every_kind", [*opened(), *turns], [connection(response=answers)])


def service_errors() -> Scenario:
    benign = error("response_cancel_not_active", "Cancellation failed: no active response found")
    refused = error("invalid_value", "Invalid value: 'x'.", param="item.content[0].text", event_id="client_2")
    script = connection(item=[[benign, refused]], response=[Spoken("resp_1", "item_2", "Still here.").whole()])
    return Scenario("service_errors", [*opened(), ASK, completed()], [script])


def failed_response() -> Scenario:
    why = {"type": "server_error", "code": "server_error", "message": "The server had an error."}
    status = {"status": "failed", "status_details": {"type": "failed", "error": why}}
    zeros = usage(text_in=0, text_out=0)
    failed = [created("resp_1"), done("resp_1", **status, usage=zeros)]
    script = connection(response=[failed, Spoken("resp_2", "item_2", "Again.").whole()])
    turns = [ASK, completed(1), do("send", text="Again?"), completed(2)]
    return Scenario("failed_response", [*opened(), *turns], [script])


def incomplete_response() -> Scenario:
    why = {"status_details": {"type": "incomplete", "reason": "max_output_tokens"}}
    spoken = Spoken("resp_1", "item_2", "It", " goes", " on")
    answer = [*spoken.beginning(), *spoken.delta(0), *spoken.delta(1), *spoken.ending(2, "incomplete", **why)]
    return Scenario("incomplete_response", [*opened(), ASK, completed()], [connection(response=[answer])])


def interruption() -> Scenario:
    spoken = Spoken("resp_1", "item_2", "A", " very", " long", " answer", " indeed.")
    start, end = spoken_turn("item_3")
    why = {"status_details": {"type": "cancelled", "reason": "turn_detected"}}
    # Two more pieces are on their way when the service hears the user.
    cut_off = [*start, *spoken.delta(2), *spoken.delta(3), *spoken.ending(4, "cancelled", **why)]
    script = connection(
        response=[[*spoken.beginning(), *spoken.delta(0), *spoken.delta(1)]],
        append=[cut_off, [*end, *heard("item_3", "stop"), *Spoken("resp_2", "item_4", "All right.").whole()]],
    )
    steps = [
        *opened(),
        ASK,
        do("await", type="bidi_audio_stream", count=2),
        *sent_audio(1),
        completed(1),
        *sent_audio(2),
        completed(2),
    ]
    return Scenario("interruption", steps, [script])


def unknown_events() -> Scenario:
    new = event("response.thought.delta", response_id="resp_1", delta="hm", depth={"level": 3})
    answer = Spoken("resp_1", "item_2", "Yes.").whole()
    answer[2] |= {"mood": "calm"}
    script = connection(response=[[*answer[:3], new, *answer[3:]]])
    return Scenario("unknown_events", [*opened(), ASK, completed()], [script])


def stop_and_start_again() -> Scenario:
    steps = [
        *opened(),
        do("stop"),
        do("await_end"),
        do("stop"),
        do("start", system_prompt="Second session."),
        *RECEIVE,
        do("send", text="Hello again"),
        completed(),
    ]
    second = connection(response=[Spoken("resp_1", "item_2", "Hello.").whole()])
    return Scenario("stop_and_start_again", steps, [connection(), second])


def lifetime_over() -> Scenario:
    # The seed counts whole seconds and looks when a message comes, so one comes after the time is over.
    script = connection()
    script["on"]["session.update"] = [
        [
            event("session.updated", session=session()),
            {"wait_s": 2.8},
            *Spoken("resp_1", "item_1", "Too", " late").whole(),
        ]
    ]
    config = {"api_key": "sk-test", "timeout_s": 2}
    steps = [make(client_config=config), do("start", system_prompt=INSTRUCTIONS), do("receive"), do("await_end")]
    return Scenario("lifetime_over", steps, [script])


def service_expires() -> Scenario:
    words = "Your session hit the maximum duration of 60 minutes."
    script = connection(item=[[error("session_expired", words), {"close": [1001, words]}]])
    return Scenario("service_expires", [*opened(), ASK, do("await_end")], [script])


def broken_connection() -> Scenario:
    answer = Spoken("resp_1", "item_2", "This", " breaks")
    script = connection(response=[[*answer.beginning(), *answer.delta(0), {"wait_s": 0.3}, {"abort": True}]])
    return Scenario("broken_connection", [*opened(), ASK, do("await_end")], [script])


def closed_by_service() -> Scenario:
    script = connection(item=[[{"wait_s": 0.3}, {"close": [1000, ""]}]])
    return Scenario("closed_by_service", [*opened(), ASK, do("await_end")], [script])


def bad_key() -> Scenario:
    words = "Incorrect API key provided: sk-…"
    refusal = [error("invalid_api_key", words), {"close": [3000, "invalid_request_error.invalid_api_key"]}]
    # The service does not wait for a message; here it does, so that both sides have sent theirs.
    return Scenario("bad_key", [*opened(), do("await_end")], [{"on": {"session.update": [refusal]}}])


def start_fails_first() -> Scenario:
    steps = [
        make(),
        do("start", system_prompt="First."),
        do("start", system_prompt="Second."),
        do("receive"),
        do("await", type="bidi_connection_start", patience_s=1.0),
    ]
    return Scenario("start_fails_first", steps, [{"refuse": 503}, connection()])


def misuse() -> Scenario:
    steps = [
        make(client_config={"api_key": "sk-test", "timeout_s": 3001}),
        make(client_config={}),
        make(),
        do("send", text="too early"),
        do("receive_first"),
        do("stop"),
        do("start", system_prompt=INSTRUCTIONS),
        do("start", system_prompt=INSTRUCTIONS),
        *RECEIVE,
        do("send", image="AAAA"),
        do("send", other={"type": "bidi_text_input", "text": "a plain dict"}),
        result("call_1", {"image": {"format": "png"}}),
        do("stop"),
        do("await_end"),
        do("send", text="too late"),
        do("receive_first"),
    ]
    return Scenario("misuse", steps, [connection()])


def events_in(script: Any) -> list[Json]:
    """Find all events of a script, in their order."""
    if isinstance(script, dict) and "event_id" in script:
        return [script]
    if isinstance(script, dict):
        script = list(script.values())
    return [event for each in script for event in events_in(each)] if isinstance(script, list) else []


SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        text_turn(),
        two_text_turns(),
        default_instructions(),
        settings(),
        audio_turn(),
        small_audio_frames(),
        silence_transcribed(),
        transcription_failed(),
        tool_call(),
        tool_fails(),
        parallel_calls(),
        broken_arguments(),
        active_response(),
        role_of_text(),
        history(),
        history_with_image(),
        usage_of_every_kind(),
        service_errors(),
        failed_response(),
        incomplete_response(),
        interruption(),
        unknown_events(),
        stop_and_start_again(),
        lifetime_over(),
        service_expires(),
        broken_connection(),
        closed_by_service(),
        bad_key(),
        start_fails_first(),
        misuse(),
    )
}
