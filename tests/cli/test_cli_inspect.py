"""`realtime-engine inspect`: what a recording holds, in words and as a picture."""

import json
import subprocess
import sys

import numpy as np
import pybase64
import pytest
from matplotlib.image import imread

from engine.audio.pcm import silence, tone
from engine.cli import exits
from engine.cli.inspect_call import seen_call
from engine.cli.inspect_figures import Figures
from engine.recording import Entry, Header, Recording, read_recording
from engine.recording.format import End, Link, end_line, header_line, link_line, message_line
from engine.recording.reduction import Reduction

WHOLE = Reduction()
TOOK_OVER = link_line(Link(number=2, did="took_over", at_s=1.0), WHOLE)


def base64(pcm):
    return pybase64.b64encode_as_string(pcm)


def session_created(**audio):
    formats = {way: {"format": {"type": "audio/pcm"}} for way in ("input", "output")}
    formats["output"]["voice"] = "cedar"
    session = {"type": "realtime", "id": "sess_1", "model": "gpt-realtime", "audio": formats | audio}
    return {"type": "session.created", "event_id": "e", "session": session}


def response(status="completed", **fields):
    return {"id": "resp_1", "object": "realtime.response", "status": status, "output": [], **fields}


def delta(kind, **fields):
    where = {"response_id": "resp_1", "item_id": "item_a", "output_index": 0, "content_index": 0}
    return {"type": f"response.{kind}", "event_id": "e", **where, **fields}


SPEECH_AND_CUT = [
    (0.0, "server", session_created()),
    *(
        (0.1 * n, "client", {"type": "input_audio_buffer.append", "audio": base64(tone(220, 100))})
        for n in range(1, 11)
    ),
    (0.65, "server", {"type": "input_audio_buffer.speech_started", "item_id": "item_u", "audio_start_ms": 400}),
    (1.1, "server", {"type": "input_audio_buffer.speech_stopped", "item_id": "item_u", "audio_end_ms": 950}),
    (1.2, "server", {"type": "response.created", "response": response("in_progress")}),
    (
        1.3,
        "server",
        {
            "type": "conversation.item.input_audio_transcription.completed",
            "item_id": "item_u",
            "content_index": 0,
            "transcript": "what is the time",
        },
    ),
    (1.4, "server", delta("output_audio_transcript.delta", delta="It is ")),
    (1.5, "server", delta("output_audio.delta", delta=base64(tone(330, 2000)))),
    (1.6, "server", delta("output_audio.delta", delta=base64(tone(330, 2000)))),
    (1.7, "server", delta("output_audio_transcript.delta", delta="noon, or a little after that.")),
    (2.5, "server", {"type": "input_audio_buffer.speech_started", "item_id": "item_v", "audio_start_ms": 990}),
    (
        2.52,
        "client",
        {"type": "conversation.item.truncate", "item_id": "item_a", "content_index": 0, "audio_end_ms": 1000},
    ),
    (2.6, "server", {"type": "response.done", "response": response("cancelled")}),
    (3.0, "server", {"type": "error", "error": {"type": "invalid_request_error", "code": "odd", "message": "told"}}),
]

TOOL_TURN = [
    (0.0, "server", session_created()),
    (
        1.0,
        "client",
        {
            "type": "conversation.item.create",
            "item": {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "the weather?"}],
            },
        },
    ),
    (1.1, "server", {"type": "response.created", "response": response("in_progress")}),
    (
        1.5,
        "server",
        delta("function_call_arguments.done", call_id="call_1", name="weather", arguments='{"city": "Ghent"}'),
    ),
    (
        1.9,
        "client",
        {
            "type": "conversation.item.create",
            "item": {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
        },
    ),
    (2.4, "server", delta("output_text.delta", delta="Rain, ")),
    (2.6, "server", delta("output_text.delta", delta="I am afraid.")),
    (
        2.7,
        "server",
        {"type": "response.done", "response": response("failed", status_details={"error": {"code": "server_error"}})},
    ),
]


def write(path, messages, *, header=True, end=None, times=True):
    lines = (
        [header_line(Header(engine="9.9", began="2026-01-02T03:04:05", model="m", url="wss://x/v1"), WHOLE)]
        if header
        else []
    )
    for at, way, event in messages:
        text = event if isinstance(event, (str, bytes)) else json.dumps(event)
        line = message_line(way, text, at, WHOLE)
        lines.append(line if times else line.replace(line[: line.index(b'"dir"')], b"{"))
    path.write_bytes(b"".join([*lines, *([end_line(end)] if end else [])]))
    return path


def rows(shown, title):
    """Give the words of each row below a table's title."""
    lines = shown.out.splitlines()
    start = lines.index(next(line for line in lines if line.strip() == title)) + 4
    table = lines[start:]
    return [line.split() for line in table[: [*map(str.strip, table), ""].index("")]]


def facts(shown):
    cells = [line.strip("│ ").split("│") for line in shown.out.splitlines() if line.startswith("│")]
    return {name.strip(): value.strip() for name, value in cells}


def test_what_it_is_and_how_it_went(command, tmp_path):
    path = write(tmp_path / "call.jsonl", SPEECH_AND_CUT, end=End(reason="timeout", at_s=3.0))
    shown = command("inspect", path)

    assert (shown.code, shown.err) == (0, "")
    assert facts(shown) == {
        "recording": "call.jsonl, by engine 9.9",
        "began": "2026-01-02T03:04:05",
        "service": "wss://x/v1",
        "model": "gpt-realtime",
        "voice": "cedar",
        "length": "3.0 s",
        "messages": "11 sent, 12 received",
        "audio": "1.0 s sent, 4.0 s received",
        "tokens": "0 in, of them 0 cached; 0 out",
        "turns": "2 turns, 0 tool calls, 1 interruption",
        "end": "timeout",
    }
    first, second = rows(shown, "turns")
    assert first[:7] == ["1", "speech", "0.65", "1.10", "+0.30", "+0.40", "+1.50"]
    assert first[8] == "interrupted"
    assert (second[:4], " ".join(second[-3:-1])) == (["2", "speech", "2.50", "-"], "no answer")
    assert ["input_audio_buffer.append", "10"] in rows(shown, "messages")
    assert "3.00 s: odd: told" in shown.out


def test_typed_turns_tools_and_failures(command, tmp_path):
    shown = command("inspect", write(tmp_path / "call.jsonl", TOOL_TURN))

    (turn,) = rows(shown, "turns")
    assert turn[:7] == ["1", "text", "1.00", "1.00", "+1.40", "-", "+1.70"]
    assert "weather" in turn
    assert facts(shown)["turns"] == "1 turn, 1 tool call, 0 interruptions"
    assert "2.70 s: server_error: no text" in shown.out
    assert facts(shown)["end"] == "not marked"


def test_a_transcription_that_failed_is_among_the_errors(command, tmp_path):
    error = {"type": "server_error", "code": "DeploymentNotFound", "message": "Input transcription failed."}
    failed = {"type": "conversation.item.input_audio_transcription.failed", "item_id": "item_u", "error": error}
    shown = command("inspect", write(tmp_path / "call.jsonl", [*SPEECH_AND_CUT, (3.5, "server", failed)]))

    assert "3.50 s: DeploymentNotFound: Input transcription failed." in shown.out.splitlines()


def test_an_interruption_needs_no_reason_and_others_have_theirs(command, tmp_path):
    def ended_by(reason):
        done = {"type": "response.done", "response": response("cancelled", status_details={"reason": reason})}
        messages = [line for line in SPEECH_AND_CUT if line[2]["type"] != "response.done"]
        shown = command("inspect", write(tmp_path / "call.jsonl", [*messages, (2.6, "server", done)]))
        return rows(shown, "turns")[0][8:-1]

    assert ended_by("turn_detected") == ["interrupted"]
    assert ended_by("client_cancelled") == ["interrupted", "(client_cancelled)"]


def test_without_times_the_order_is_told(command, tmp_path):
    shown = command("inspect", write(tmp_path / "call.jsonl", SPEECH_AND_CUT, header=False, times=False))

    assert facts(shown)["times"] == "none: times below are the numbers of messages, in their order"
    assert "length" not in facts(shown)
    assert rows(shown, "turns")[0][:7] == ["1", "speech", "12", "13", "16", "17", "22"]
    assert "message 23: odd: told" in shown.out


def test_a_torn_end_a_lost_connection_and_thinned_audio_are_told(command, tmp_path):
    path = write(tmp_path / "call.jsonl", [(0.0, "server", session_created())])
    thin = message_line("server", '{"type":"response.output_audio.delta","delta":""}', 1.0, WHOLE, thinned=True)
    path.write_bytes(path.read_bytes() + thin + TOOK_OVER + b'{"at":2.0,"dir":"ser')
    shown = command("inspect", path)
    assert facts(shown)["end"] == "not marked, and its last line is torn"
    assert facts(shown)["thinned"].startswith("1 messages are without their audio")

    for code, words in ((1011, "with close code 1011"), (None, "without a close code")):
        write(path, [(0.0, "server", session_created())], end=End(reason="error", lost=True, code=code))
        assert facts(command("inspect", path))["end"] == f"error: the connection was lost {words}"


def test_what_is_no_event_is_counted(command, tmp_path):
    odd = [(0.0, "server", "no json"), (0.1, "server", b"\0"), (0.2, "client", {"type": "of.tomorrow"})]
    shown = command("inspect", write(tmp_path / "call.jsonl", odd, header=False))

    assert rows(shown, "messages") == [["of.tomorrow", "1"], ["(no", "event)", "2"]]
    assert facts(shown)["model"] == "not told"
    assert "turns" not in shown.out.splitlines()


def test_words_that_look_like_markup_are_shown_as_they_are(command, tmp_path):
    message = {"type": "error", "error": {"type": "x", "message": "[bold]told[/bold] [/]"}}
    shown = command("inspect", write(tmp_path / "[red]call.jsonl", [(0.0, "server", message)]))

    assert shown.code == 0
    assert "x: [bold]told[/bold] [/]" in shown.out
    assert facts(shown)["recording"].startswith("[red]call.jsonl")


def test_a_new_connection_leaves_what_was_unfinished(tmp_path):
    path = write(tmp_path / "call.jsonl", [(0.0, "server", {"type": "response.created", "response": response()})])
    path.write_bytes(path.read_bytes() + TOOK_OVER + message_line("server", "{}", 1.0, WHOLE, 2))

    (turn,) = Figures.of(read_recording(path)).turns.turns
    assert turn.responses[0].status == "lost"


def test_every_recording_of_the_real_service_can_be_inspected(command, recordings, tmp_path):
    for path in recordings:
        shown = command("inspect", path)

        assert (shown.code, shown.err) == (0, ""), path
        assert len(rows(shown, "turns")) == (3 if "three" in path.stem else 1), path


@pytest.mark.parametrize("stem", ["input_audio_retention_segments_three_server_vad_turns", "text_in_audio_out_turn"])
def test_recordings_of_the_real_service_can_be_drawn(command, recordings, tmp_path, stem):
    (path,) = [path for path in recordings if path.stem == f"openai_ws.{stem}"]
    command("inspect", path, "--out", tmp_path / "timeline.png")

    height, width, _ = imread(tmp_path / "timeline.png").shape
    assert height > 600
    assert width > 1100


# --- the picture -----------------------------------------------------------------------------------------------------


def of(messages, *, header=True, audio="whole"):
    entries = tuple(Entry(direction=way, at_s=at, event=event) for at, way, event in messages)
    return Recording(name="r", header=Header(audio=audio) if header else None, entries=entries)


def test_who_sounded_when():
    call = seen_call(of(SPEECH_AND_CUT))

    turn, late = call.recording.turns
    assert (turn.began_s, turn.ended_s, turn.heard) == (pytest.approx(0.4), pytest.approx(1.0), "what is the time")
    assert late.cut_in
    (answer,) = call.recording.answers.values()
    assert answer.arrived_s == [1.5, 1.6]
    assert (answer.playing.began_s, answer.playing.ended_s) == (1.5, 2.52)
    assert (answer.playing.heard_ms, answer.playing.received_ms) == (1000.0, 4000.0)
    assert answer.heard_words == "It is —"
    (cut,) = call.recording.interruptions
    assert (cut.silent_s, cut.received_ms) == (2.52, 4000.0)
    assert cut.spoke_s == pytest.approx(1.0, abs=0.02), "where in its audio the service has heard the speech begin"
    assert call.recording.errors == ["told"]
    assert call.length_s == 3.0


def test_a_turn_is_what_was_said_without_the_padding_and_the_pause_that_the_service_counts():
    detection = {"type": "server_vad", "prefix_padding_ms": 300, "silence_duration_ms": 200}
    heard = {"format": {"type": "audio/pcm"}, "turn_detection": detection}
    messages = [(0.0, "server", session_created(input=heard)), *SPEECH_AND_CUT[1:]]
    first, _ = seen_call(of(messages)).recording.turns

    # The service says 400 to 950 ms; frames of 100 ms tell when those were sent.
    assert (first.began_s, first.ended_s) == (pytest.approx(0.65), pytest.approx(0.8))


def test_sound_stands_where_it_sounded():
    call = seen_call(of(SPEECH_AND_CUT))
    caller, agent = (np.frombuffer(bytes(tape), "<i2") for tape in (call.tape.caller, call.tape.agent))

    assert len(caller) == 24_000
    assert not agent[: int(1.5 * 24_000)].any()
    assert agent[int(1.5 * 24_000) :].any()
    assert len(agent) == int(2.52 * 24_000), "what was never heard is not on the tape"


@pytest.mark.parametrize("recorded", [of(SPEECH_AND_CUT, audio="cut"), of(SPEECH_AND_CUT, header=False)])
def test_sound_that_was_not_kept_whole_is_not_on_the_tape(recorded):
    call = seen_call(recorded)

    assert call.tape.length_s == 0
    assert len(call.recording.turns) == 2


def test_a_translation_is_drawn_as_one_long_answer():
    speech, spoken = base64(tone(220, 200)), base64(tone(330, 200))
    call = seen_call(
        of(
            [
                (0.0, "server", {"type": "session.created", "session": {"audio": {"output": {"language": "es"}}}}),
                (0.2, "client", {"type": "session.input_audio_buffer.append", "audio": speech}),
                (0.8, "server", {"type": "session.output_transcript.delta", "delta": "Buenos "}),
                (0.8, "server", {"type": "session.output_audio.delta", "delta": spoken}),
                (1.0, "server", {"type": "session.output_audio.delta", "delta": spoken}),
                (1.0, "server", {"type": "session.output_transcript.delta", "delta": "días"}),
            ]
        )
    )

    (answer,) = call.recording.answers.values()
    assert (answer.words, answer.playing.received_ms) == ("Buenos días", 400.0)
    assert (answer.playing.began_s, answer.playing.ended_s) == (0.8, pytest.approx(1.2))
    assert len(call.tape.caller) == len(tone(220, 200))


def test_typed_text_tools_and_written_answers():
    call = seen_call(of(TOOL_TURN))

    (turn,) = call.recording.turns
    assert (turn.began_s, turn.said) == (1.0, "the weather?")
    (use,) = call.recording.tools
    assert (use.called_s, use.answered_s, use.call, use.result) == (1.5, 1.9, "weather(Ghent)", "rain")
    (answer,) = call.recording.answers.values()
    assert (answer.words, answer.playing.began_s, answer.playing.ended_s) == ("Rain, I am afraid.", 2.4, 2.6)


def test_answers_play_one_after_the_other():
    messages = [
        (0.0, "server", delta("output_audio.delta", delta=base64(silence(1000)))),
        (0.1, "server", delta("output_audio.delta", item_id="item_b", delta=base64(silence(500)))),
    ]
    first, second = seen_call(of(messages)).recording.answers.values()

    assert (first.playing.ended_s, second.playing.began_s, second.playing.ended_s) == (1.0, 1.0, 1.5)


def test_audio_in_another_format_is_measured_but_not_drawn_as_sound():
    pcmu = {"format": {"type": "audio/pcmu"}}
    messages = [
        (0.0, "server", session_created(input=pcmu, output=pcmu)),
        (0.5, "client", {"type": "input_audio_buffer.append", "audio": base64(b"\xff" * 800)}),
        (1.0, "server", delta("output_audio.delta", delta=base64(b"\xff" * 8000))),
    ]
    call = seen_call(of(messages))

    assert call.tape.length_s == 0
    assert call.recording.answers["item_a"].playing.received_ms == 1000
    assert Figures.of(of(messages)).audio_ms == {"client": 100.0, "server": 1000.0}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "conversation.item.create"},
        {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "unknown"}},
        {"type": "conversation.item.create", "item": {"type": "message", "role": "system"}},
        {"type": "conversation.item.truncate", "item_id": "unknown"},
        {"type": "input_audio_buffer.append", "audio": 7},
    ],
)
def test_events_that_lack_what_they_promise_are_passed_over(event):
    call = seen_call(of([(1.0, "client", event)]))

    assert (call.recording.turns, call.length_s) == ([], 1.0)


@pytest.mark.parametrize(
    "messages",
    [
        SPEECH_AND_CUT,
        TOOL_TURN,
        [(0.0, "server", session_created())],
        [(at * 600, way, event) for at, way, event in SPEECH_AND_CUT[1:2] + SPEECH_AND_CUT[-2:]],
        [(at + 4 * n, way, event) for n in range(80) for at, way, event in TOOL_TURN[1:]],
    ],
)
@pytest.mark.parametrize("times", [True, False])
def test_any_recording_can_be_drawn(command, tmp_path, messages, times):
    out = tmp_path / "timeline.png"
    shown = command("inspect", write(tmp_path / "call.jsonl", messages, times=times), "--out", out)

    assert (shown.code, shown.err) == (0, "")
    assert f"{out}  (" in shown.out
    height, width, _ = imread(out).shape
    assert 600 < height < 1000
    assert 1100 < width < 3500


# --- wrong usage -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.jsonl"], "missing.jsonl can't be read"),
        (["broken.jsonl"], "broken.jsonl, line 1: no JSON"),
        (["empty.jsonl"], "empty.jsonl holds no message"),
        (["other.jsonl"], "other.jsonl holds no message"),
        (["call.jsonl", "--out", "timeline.jpg"], "ends in .png"),
        (["call.jsonl", "--out", "missing/timeline.png"], "can't be written"),
        ([], "--help"),
    ],
)
def test_what_can_not_be_inspected_is_one_line(command, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.jsonl").write_text("RIFF....WAVE\n{}\n")
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "other.jsonl").write_text('{"level": "info"}\n')
    write(tmp_path / "call.jsonl", TOOL_TURN)
    shown = command("inspect", *arguments)

    assert shown.code == exits.USAGE
    assert words in shown.err
    assert len(shown.err.splitlines()) == 1


def test_the_help_has_examples(command):
    shown = command("inspect", "--help")

    assert "realtime-engine inspect call.jsonl" in shown.out
    assert "Exit codes" in shown.out
    assert "inspect" in command("--help").out


def test_without_matplotlib_the_words_are_printed_and_the_picture_says_what_to_install(tmp_path):
    path = write(tmp_path / "call.jsonl", TOOL_TURN)
    code = "import sys; sys.modules['matplotlib'] = None; from engine.__main__ import main; main()"

    def run(*arguments):
        command = [sys.executable, "-c", code, "inspect", str(path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert run().returncode == 0
    refused = run("--out", str(tmp_path / "timeline.png"))
    assert refused.returncode == exits.USAGE
    assert refused.stderr == "realtime-engine: matplotlib is not installed | pip install 'realtime-engine[demo]'\n"
