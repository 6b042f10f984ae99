"""`realtime-engine talk`: typed lines and recordings, with the simulator."""

import re
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile
import trio

from engine.audio.files import read_pcm16
from engine.audio.pcm import silence
from engine.cli import exits, talk_text, talk_wav
from engine.demo.lines import CARDS
from engine.demo.service import ANY_KEY
from engine.errors import DeadlinePassed, UnsupportedContent
from engine.events import BidiInterruptionEvent
from engine.simulator import Fail, Say, Script
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
    answer = read_pcm16(tmp_path / "out.wav")
    first = next(at for at in range(0, len(answer), 960) if any(answer[at : at + 960]))
    assert first / 48_000 > 1.0
    assert "ten of clubs" in transcriber.transcribe(answer[first:] + bytes(9600))


class AlmostSession:
    """Takes audio and tells nothing."""

    async def send_audio(self, frame):
        await trio.lowlevel.checkpoint()

    async def receive(self):
        await trio.sleep_forever()
        yield


async def test_a_recording_without_speech_says_so(autojump_clock):
    heard = bytearray()
    with pytest.raises(ExceptionGroup) as caught:
        await talk_wav.hold(AlmostSession(), silence(500), heard)

    assert caught.group_contains(UnsupportedContent, match="no speech")
    assert len(heard) >= len(silence(3500))


class Heard(AlmostSession):
    """Tells that it hears speech, and never answers."""

    async def receive(self):
        await trio.sleep(1)
        yield BidiInterruptionEvent("user_speech")
        await trio.sleep_forever()


async def test_a_recording_that_is_never_answered_is_a_time_out(autojump_clock):
    with pytest.raises(ExceptionGroup) as caught:
        await talk_wav.hold(Heard(), silence(500), bytearray())

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
        (["--base-url", "mailto:me"], "wss://"),
        ([], "set OPENAI_API_KEY"),
    ],
)
def test_what_can_not_be_is_told_before_anything_is_connected(command, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.wav").write_text("this is no sound")
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
    assert (tmp_path / "out.wav").exists()


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

    talk = talk_text._TextTalk(Silent(), bytearray())
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
        began = time.monotonic()
        talk.send_signal(2)
        shown, said = talk.communicate(timeout=10)
        took_s = time.monotonic() - began

    assert talk.returncode == exits.STOPPED
    assert said == "realtime-engine: stopped\n"
    assert "s of the agent's voice" in shown
    assert len(read_pcm16(out)) > 24_000
    assert took_s < 3
