"""`realtime-engine talk`: typed lines and recordings, with the simulator."""

import re
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import trio

from engine.audio.files import read_pcm16
from engine.audio.pcm import silence
from engine.audio.playback import Playback
from engine.cli import exits, talk_text, talk_wav
from engine.cli.heard import Heard as Voice
from engine.cli.talk_tools import CALLS_MAX, NO_TOOL, NoTools
from engine.demo.lines import CARDS
from engine.demo.service import ANY_KEY
from engine.errors import DeadlinePassed, UnsupportedContent
from engine.events import BidiInterruptionEvent
from engine.session.playback import SessionPlayback
from engine.simulator import Call, Fail, Say, Script, Turn
from engine.simulator.local_voice import transcriber


def saved(path, pcm, rate_hz=24_000, channels=1):
    """Write PCM16 mono 24 kHz as a file of another rate and number of channels."""
    samples = np.frombuffer(pcm, dtype="<i2")
    step = 24_000 // rate_hz
    soundfile.write(path, np.repeat(samples[::step, None], channels, axis=1), rate_hz)
    return path


# --- typed lines ------------------------------------------------------------------------------------------------------


def test_each_line_is_answered_in_turn_and_the_voice_is_written(command, tmp_path):
    shown = command("talk", "--simulator", "--out", tmp_path / "out.wav", typed=["hi", "", "how are you"])

    assert shown.code == 0, shown.err
    lines = shown.out.splitlines()
    assert lines[:4] == ["you    hi", "agent  You said: hi", "you    how are you", "agent  You said: how are you"]
    assert re.fullmatch(r".*out\.wav: \d\.\d s of the agent's voice", lines[4])
    assert len(read_pcm16(tmp_path / "out.wav")) > 24_000


def test_text_answers_in_writing(command):
    shown = command("talk", "--text", "--simulator", "tone", typed=["hi"])

    assert (shown.code, shown.out.splitlines()) == (0, ["you    hi", "agent  You said: hi"])


def test_the_local_agent_understands(command):
    shown = command("talk", "--text", "--simulator", "local", "--instructions", "Be kind.", typed=["ten of clubs"])

    assert "I heard: ten of clubs." in shown.out, shown.err


def test_nothing_typed_is_no_failure(command):
    assert command("talk", "--simulator").code == 0


def test_lines_come_in_any_pieces():
    splitter = talk_text._Splitter()

    assert splitter.push("gr\u00fc".encode()[:3]) == []
    assert splitter.push("gr\u00fc".encode()[3:] + b"n\r\nblue\nre") == ["gr\u00fcn", "blue"]
    assert splitter.push(b"d") == []
    assert splitter.push(b"") == ["red"]


def test_a_terminal_gets_a_prompt_and_no_echo(capsys):
    talk_text._prompt(typed=True)
    talk_text._echo("typed already", typed=True)

    assert capsys.readouterr().out == "you    "


# --- a recording ------------------------------------------------------------------------------------------------------


def test_a_recording_of_any_shape_is_heard_and_the_answer_written_in_step(command, tmp_path):
    said = saved(tmp_path / "said.wav", CARDS[0].read_pcm24k(), rate_hz=12_000, channels=2)
    shown = command("talk", "--simulator", "local", "--in", said, "--out", tmp_path / "out.wav")

    assert shown.code == 0, shown.err
    assert re.search(r"caller +ten of clubs", shown.out)
    assert re.search(r"agent +I heard: ten of clubs\.", shown.out)
    voice_s, all_s = map(float, re.search(r"out\.wav: (\S+) s of the agent's voice in (\S+) s", shown.out).groups())
    assert 0 < voice_s < all_s - 1.0
    answer = read_pcm16(tmp_path / "out.wav")
    first = next(at for at in range(0, len(answer), 960) if any(answer[at : at + 960]))
    assert first / 48_000 > 1.0
    assert "ten of clubs" in transcriber.transcribe(answer[first:] + bytes(9600))


class AlmostSession:
    """Takes audio and tells nothing."""

    playback = SessionPlayback(Playback(24_000))

    async def send_audio(self, frame):
        await trio.lowlevel.checkpoint()

    async def receive(self):
        await trio.sleep_forever()
        yield


async def test_a_recording_without_speech_says_so(autojump_clock):
    heard = Voice()
    with pytest.raises(ExceptionGroup) as caught:
        await talk_wav.hold(AlmostSession(), silence(500), heard)

    assert caught.group_contains(UnsupportedContent, match="no speech")
    assert len(heard.pcm) >= len(silence(3500))
    assert heard.voice_ms == 0


class Heard(AlmostSession):
    """Tells that it hears speech, and never answers."""

    async def receive(self):
        await trio.sleep(1)
        yield BidiInterruptionEvent("user_speech")
        await trio.sleep_forever()


async def test_a_recording_that_is_never_answered_is_a_time_out(autojump_clock):
    with pytest.raises(ExceptionGroup) as caught:
        await talk_wav.hold(Heard(), silence(500), Voice())

    assert caught.group_contains(DeadlinePassed)


# --- what can go wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--simulator", "--in", "missing.wav"], "missing.wav is not a file"),
        (["--simulator", "--in", "text.wav"], "text.wav can't be read as audio"),
        (["--simulator", "--out", "no/such/folder/out.wav"], "is no folder"),
        (["--simulator", "--text", "--out", "out.wav"], "leave out one of them"),
        (["--simulator", "--base-url", "ws://127.0.0.1:1/v1"], "leave out one of them"),
        (["--base-url", "mailto:me"], "--base-url mailto:me: allowed is a URL as wss://"),
        (["--simulator", "--out", "out.mp3"], "a name that ends in .wav"),
        (["--simulator", "--out", "folder.wav"], "folder.wav can't be written: Is a directory"),
        (["--simulator", "--in", "said.wav", "--out", "./said.wav"], "write over the recording"),
        (["--simulator", "--in", "said.wav", "--out", "link.wav"], "write over the recording"),
        (["--simulator", "--in", "empty.wav"], "empty.wav is empty"),
        (["--simulator", "--in", "nan.wav"], "no numbers"),
        ([], "set OPENAI_API_KEY"),
    ],
)
def test_what_can_not_be_is_told_before_anything_is_connected(command, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.wav").write_text("this is no sound")
    (tmp_path / "folder.wav").mkdir()
    saved(tmp_path / "said.wav", silence(500))
    (tmp_path / "link.wav").symlink_to("said.wav")
    saved(tmp_path / "empty.wav", b"")
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan), 24_000, subtype="FLOAT")
    shown = command("talk", *arguments, typed=["hi"])

    assert shown.code == exits.USAGE
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
    assert words in shown.err


def test_nobody_there_is_a_connection_failure(command):
    shown = command("talk", "--base-url", "ws://127.0.0.1:9/v1", typed=["hi"])

    assert shown.code == exits.CONNECTION
    assert "127.0.0.1:9" in shown.err
    assert ANY_KEY not in shown.err


@pytest.fixture
def service(monkeypatch):
    """Replace what the simulator answers."""

    def answer(script):
        monkeypatch.setattr("engine.simulator.server.ScriptedResponder", script.responder)

    return answer


def test_a_response_that_fails_is_told(command, service, tmp_path):
    service(Script.of(Fail("insufficient_quota", "You exceeded your current quota.")))
    shown = command("talk", "--simulator", "--out", tmp_path / "out.wav", typed=["hi"])

    assert shown.code == exits.SERVICE
    assert "You exceeded your current quota." in shown.err
    assert "out.wav: not written, for the agent said nothing" in shown.out
    assert not (tmp_path / "out.wav").exists()


def test_a_spoken_turn_whose_response_fails_is_told(command, service, tmp_path):
    service(Script.of(Fail("insufficient_quota", "You exceeded your current quota.")))
    shown = command("talk", "--simulator", "--in", saved(tmp_path / "said.wav", CARDS[0].read_pcm24k()))

    assert shown.code == exits.SERVICE
    assert re.search(r"error +You exceeded your current quota", shown.out)
    assert "You exceeded your current quota." in shown.err


def test_an_answer_without_words_is_shown_as_that(command, service):
    service(Script.of(Say("")))

    assert "agent  (nothing)" in command("talk", "--simulator", "--text", typed=["hi"]).out


def test_a_wrong_setting_is_refused_by_the_service(command):
    shown = command("talk", "--simulator", "--model", "davinci", typed=["hi"])

    assert shown.code == exits.SERVICE
    assert "davinci" in shown.err


async def test_an_answer_that_never_comes_is_a_time_out(autojump_clock, monkeypatch):
    class Silent(AlmostSession):
        async def send(self, event):
            await trio.lowlevel.checkpoint()

    talk = talk_text._TextTalk(Silent(), Voice())
    with pytest.raises(DeadlinePassed):
        await talk.ask("hi")


def test_ctrl_c_writes_the_file(tmp_path):
    out = tmp_path / "out.wav"
    with subprocess.Popen(
        [sys.executable, "-m", "engine", "talk", "--simulator", "--out", str(out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as talk:
        talk.stdin.write("hi\n")
        talk.stdin.flush()
        assert talk.stdout.readline() == "you    hi\n"
        assert talk.stdout.readline() == "agent  You said: hi\n"
        talk.send_signal(2)
        shown, said = talk.communicate(timeout=60)

    assert talk.returncode == exits.STOPPED
    assert said == "realtime-engine: stopped\n"
    assert "s of the agent's voice" in shown
    assert len(read_pcm16(out)) > 24_000


# --- a service that calls tools ---------------------------------------------------------------------------------------

ONCE = Script.of([Say("Let me look."), Call("get_weather", {"city": "Oslo"})], Say("It rains."))
FOR_EVER = Script([Turn([Say("Let me look."), Call("get_weather", {"city": "Oslo"})], repeat=None)])


def test_a_typed_talk_answers_a_call_with_an_error_and_waits_for_what_follows(command, service):
    service(ONCE)
    shown = command("talk", "--simulator", "--text", typed=["how is the weather?", "thanks"])

    assert (shown.code, shown.err) == (0, "")
    assert shown.out.splitlines() == [
        "you    how is the weather?",
        "agent  Let me look.",
        f"tool   get_weather(Oslo) -> {NO_TOOL}",
        "agent  It rains.",
        "you    thanks",
        "agent  You said: thanks",
    ]


def test_a_typed_talk_that_consists_of_calls_ends_with_a_line(command, service):
    service(FOR_EVER)
    shown = command("talk", "--simulator", "--text", typed=["how is the weather?"])

    assert shown.code == exits.SERVICE
    assert shown.out.count("get_weather") == CALLS_MAX
    assert "talk has no tools, and the service goes on calling them" in shown.err
    assert len(shown.err.splitlines()) == 1


def test_a_spoken_talk_that_consists_of_calls_ends_with_a_line(command, service, tmp_path):
    service(FOR_EVER)
    shown = command("talk", "--simulator", "--in", saved(tmp_path / "said.wav", CARDS[0].read_pcm24k()))

    assert shown.code == exits.SERVICE
    assert shown.out.count("get_weather") == CALLS_MAX
    assert "talk has no tools, and the service goes on calling them" in shown.err


def test_the_calls_of_each_turn_are_counted_anew():
    turns = iter([0, 0, 1, 1])
    tools = NoTools(lambda: next(turns))

    assert [tools.call("f", {}) for _ in range(2)] == [{"error": NO_TOOL}] * 2


# --- the shell around it ----------------------------------------------------------------------------------------------


def shell(line):
    words = line.replace("realtime-engine", f"{sys.executable} -m engine")
    return subprocess.run(["bash", "-c", words], capture_output=True, text=True, timeout=60, check=False)


def test_bytes_that_are_no_text_are_shown_as_that():
    shown = shell(r"printf '\xff\xfe hello\n' | realtime-engine talk --text --simulator")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert "hello" in shown.stdout


@pytest.mark.parametrize(
    ("closed", "words"), [("<&-", "standard input is closed"), (">&-", "standard output is closed")]
)
def test_a_closed_stream_is_one_line(closed, words):
    shown = shell(f"realtime-engine talk --text --simulator {closed}")

    assert shown.returncode == exits.USAGE
    assert len(shown.stderr.splitlines()) == 1
    assert words in shown.stderr


@pytest.mark.parametrize(
    "words",
    [
        "talk --simulator --in {said}",
        "talk --simulator --text < {lines}",
        "demo --fast --out {folder}",
        "simulate --port 0",
    ],
)
def test_a_reader_that_stops_ends_it_without_a_word(words, tmp_path):
    said = saved(tmp_path / "said.wav", CARDS[0].read_pcm24k())
    (tmp_path / "lines").write_text("hi\n" * 3)
    words = words.format(said=said, lines=tmp_path / "lines", folder=tmp_path)
    shown = shell(f"(realtime-engine {words}; echo $? >&2) | true")

    assert shown.stderr == f"{exits.NOT_READ}\n"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ws://example.com/v1", "not sent in the clear"),
        ("wss://me:secret@example.com/v1", "OPENAI_API_KEY"),
    ],
)
def test_settings_are_named_as_they_are_typed(command, monkeypatch, url, words):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    shown = command("talk", "--base-url", url)

    assert shown.code == exits.USAGE
    assert shown.err.startswith("realtime-engine: --base-url ")
    assert words in shown.err
    assert "allow_insecure_key" not in shown.err
    assert "secret" not in shown.err
