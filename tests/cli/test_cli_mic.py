"""`realtime-engine talk --mic`: with devices of files through PortAudio, and without any in virtual time."""

import math
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time

import alsa
import numpy as np
import pytest
import trio
from alsa import file_card, needs_portaudio
from rich.console import Console

from engine.audio.converter import Converter
from engine.audio.files import read_pcm16
from engine.audio.pcm import tone
from engine.audio.shape import AudioShape
from engine.cli import exits, mic_screen, talk_mic
from engine.cli.heard import Heard
from engine.cli.mic_screen import BAR_CELLS, Meter, MicScreen
from engine.cli.talk_devices import Devices, SoundCard, lines
from engine.config import ClientSettings, SessionConfig
from engine.demo.lines import CARDS
from engine.devices import Device, Loudspeaker, Microphone
from engine.errors import DeviceLost
from engine.session import open_session
from engine.simulator import Call, Fail, Say, Script, serve
from engine.testing import in_memory

WIRE = AudioShape()


def at_the_devices_rate(pcm):
    converter = Converter(WIRE, AudioShape("pcm", alsa.RATE_HZ, 1))
    return converter.push(pcm) + converter.finish()


def as_heard(stereo):
    converter = Converter(AudioShape("pcm", alsa.RATE_HZ, 2), WIRE)
    return converter.push(bytes(stereo[: len(stereo) // 4 * 4])) + converter.finish()


def likeness(piece, whole):
    """Give the correlation of a piece with where it fits best."""
    piece, whole = (np.frombuffer(pcm, "<i2").astype(float) for pcm in (piece, whole))
    size = len(piece) + len(whole)
    products = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(piece, size)), size)
    ends = np.concatenate([[0.0], np.cumsum(whole**2)])
    energy = ends[len(piece) :] - ends[: -len(piece)]
    return np.max(products[: len(energy)] / np.sqrt(np.maximum(energy, 1.0) * np.sum(piece**2)))


# --- through PortAudio ------------------------------------------------------------------------------------------------


@needs_portaudio
def test_the_recording_that_the_microphone_plays_is_in_the_transcript_and_the_answer_in_the_loudspeaker(tmp_path):
    said = at_the_devices_rate(bytes(24_000) + CARDS[0].read_pcm24k())
    options = ["--simulator", "local", "--input-device", "filemic", "--output-device", "filespeaker"]
    options += ["--out", str(tmp_path / "answer.wav"), "--seconds", "20"]
    with (
        file_card(tmp_path, said) as card,
        alsa.running(card.environment, "-m", "engine", "talk", "--mic", *options) as program,
    ):
        shown = []
        for line in program.stdout:
            shown.append(line)
            if re.search(r" s  agent ", line):
                program.send_signal(signal.SIGINT)
        assert program.wait(20) == exits.STOPPED, shown

    out = "".join(shown)
    assert out.splitlines()[0] == "microphone   filemic, 44,100 Hz, 40 ms latency"
    assert re.search(r"you +ten of clubs\n", out), out
    assert re.search(r"agent +I heard: ten of clubs\.\n", out), out
    assert re.search(r"loudspeaker  \d+\.\d s played, 0 ms dropped", out), out
    answer = read_pcm16(tmp_path / "answer.wav")
    assert likeness(answer[9_600:33_600], as_heard(card.played)) > 0.95


IN_A_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from engine.__main__ import main
sys.argv[0] = "realtime-engine"
main()
"""


class Terminal:
    """A terminal with a program in it."""

    def __init__(self, environment, *arguments):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.shown = ""
        self.program = subprocess.Popen(
            [sys.executable, "-c", IN_A_TERMINAL, *arguments],
            env={**os.environ, **environment, "TERM": "xterm", "COLUMNS": "100"},
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
        )

    def reads(self, words, deadline_s=60):
        """Read until these words are shown."""
        ends = time.monotonic() + deadline_s
        self.shown = self.shown if words in self.shown else ""
        while words not in self.shown:
            assert time.monotonic() < ends, self.shown
            assert select.select([self.master], [], [], deadline_s)[0], self.shown
            self.shown += os.read(self.master, 4096).decode("utf-8", "replace")
        self.shown = self.shown.partition(words)[2]

    def types(self, keys):
        os.write(self.master, keys.encode())

    def local_modes(self):
        return termios.tcgetattr(self.slave)[3]

    def close(self):
        self.program.kill()
        self.program.wait()
        os.close(self.master)
        os.close(self.slave)


@needs_portaudio
def test_keys_mute_and_end_a_talk_and_the_terminal_is_as_before(tmp_path):
    options = ["--simulator", "--input-device", "filemic", "--output-device", "filespeaker"]
    with file_card(tmp_path, tone(440, 60_000, rate_hz=alsa.RATE_HZ)) as card:
        terminal = Terminal(card.environment, "talk", "--mic", *options)
        try:
            terminal.reads("m mutes, space interrupts, q ends")
            terminal.reads("█")
            assert not terminal.local_modes() & (termios.ICANON | termios.ECHO)
            terminal.types("m")
            terminal.reads("muted")
            terminal.types("m ")
            terminal.reads("open")
            terminal.types("q")
            terminal.reads("s played")
            assert terminal.program.wait(20) == exits.OK
            assert termios.tcgetattr(terminal.slave) == terminal.before
        finally:
            terminal.close()


@needs_portaudio
def test_a_device_that_is_not_there_is_wrong_usage_and_nothing_is_connected(tmp_path):
    with file_card(tmp_path) as card:
        arguments = ["talk", "--mic", "--base-url", "ws://127.0.0.1:9/v1", "--input-device", "nowhere"]
        ran = alsa.run_python(card.environment, "-m", "engine", *arguments)
        listed = alsa.run_python(card.environment, "-m", "engine", "talk", "--list-devices")

    assert ran.returncode == exits.USAGE
    assert ran.stderr.startswith("realtime-engine: no microphone is called 'nowhere' | give the number")
    assert ran.stderr.endswith("2 default; see --input-device and talk --list-devices\n")
    assert listed.returncode == exits.OK
    assert listed.stdout.splitlines() == [
        "  0  filemic      ALSA  128 in 128 out  44,100 Hz",
        "  1  filespeaker  ALSA  128 in 128 out  44,100 Hz",
        "  2  default      ALSA  128 in 128 out  44,100 Hz  default in and out",
    ]


@needs_portaudio
def test_a_machine_without_a_sound_device_says_so(tmp_path):
    configuration = tmp_path / "asound.conf"
    configuration.write_text(alsa.NO_DEVICES, "utf-8")
    environment = {"ALSA_CONFIG_PATH": str(configuration)}
    ran = alsa.run_python(environment, "-m", "engine", "talk", "--mic", "--simulator")

    assert ran.returncode == exits.USAGE
    assert ran.stderr.startswith("realtime-engine: this machine has no microphone | connect one")


# --- in virtual time --------------------------------------------------------------------------------------------------

MICROPHONE = Device(0, "USB microphone", "ALSA", 1, 0, 24_000.0)
LOUDSPEAKER = Device(1, "Screen", "ALSA", 0, 1, 24_000.0)


class Room:
    """Stands for the devices: what is said into the microphone, and what comes out of the loudspeaker."""

    def __init__(self, *, echo=False):
        self.card = SoundCard(Microphone(MICROPHONE, WIRE), Loudspeaker(LOUDSPEAKER, WIRE))
        self.said = bytearray()
        self.heard = bytearray()
        self.unplugged = self.screen_off = False
        self._echo = echo

    async def run(self):
        while not self.unplugged:
            played = bytearray(960)
            if not self.screen_off:
                self.card.loudspeaker.fill(memoryview(played))
            self.heard += played
            frame = bytes(self.said[:960]).ljust(960, b"\0")
            del self.said[:960]
            self.card.microphone.put(bytes(played) if self._echo and any(played) else frame)
            await trio.sleep(0.02)


async def talks(room, script, asked, during=None, **settings):
    """Hold a talk in a room, and give the session's simulator."""
    config = SessionConfig(client=ClientSettings(api_key="any-text"), **settings)
    async with (
        serve(responder_factory=Script.of(*script).responder, host=None) as simulator,
        open_session(config, connector=in_memory(simulator)) as session,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(room.run)
        if during is not None:
            nursery.start_soon(during, session)
        await talk_mic.hold(session, room.card, asked, Heard())
        nursery.cancel_scope.cancel()
    return simulator


async def test_a_turn_and_its_answer_are_shown_when_they_were_heard(autojump_clock, capsys):
    room = Room()
    room.said += bytes(24_000) + tone(300, 1000)
    await talks(room, [Say("One, two.")], Devices(seconds=12.0))

    shown = capsys.readouterr().out
    assert re.search(r"you +\S", shown), shown
    assert re.search(r"agent +One, two\.\n", shown), shown
    assert re.search(r"12\.0 s heard, loudest -\d+ dBFS, 0 ms dropped", shown), shown
    assert any(room.heard)


async def test_who_cuts_in_is_shown_what_was_heard(autojump_clock, capsys):
    room = Room()
    room.said += bytes(24_000) + tone(300, 1000) + bytes(3 * 48_000) + tone(300, 1000)
    long = Say("One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve.")
    await talks(room, [long, Say("Yes.")], Devices(seconds=15.0))

    shown = capsys.readouterr().out
    heard_s, received_s = map(float, re.search(r"cut off about here: (\S+) s heard of (\S+) s", shown).groups())
    assert 0 < heard_s < received_s
    assert shown.index("cut off") < shown.index("Yes.")


async def test_an_agent_that_hears_itself_is_interrupted_unless_half_duplex_is_on(autojump_clock, capsys):
    for half_duplex, interruptions in ((False, True), (True, False)):
        room = Room(echo=True)
        room.said += bytes(24_000) + tone(300, 1000)
        script = [Say("One, two, three, four, five, six, seven, eight."), *[Say("And so on.")] * 20]
        await talks(room, script, Devices(half_duplex=half_duplex, seconds=15.0))
        shown = capsys.readouterr().out
        assert ("cut off" in shown) is interruptions, shown
        assert ("waits for the agent" in shown) is half_duplex


async def test_a_tool_that_is_called_is_refused_and_an_error_is_shown(autojump_clock, capsys):
    room = Room()
    room.said += bytes(24_000) + tone(300, 1000) + bytes(3 * 48_000) + tone(300, 1000)
    await talks(room, [Call("find", {"what": "it"}), Say("No."), Fail("broken")], Devices(seconds=12.0))

    shown = capsys.readouterr().out
    assert re.search(r"tool +find", shown), shown
    assert "there is no such tool" in shown
    assert re.search(r"error +The server had an error", shown), shown


async def test_a_microphone_that_goes_away_ends_the_talk(autojump_clock, capsys):
    room = Room()

    async def unplug(_):
        await trio.sleep(2)
        room.unplugged = True

    with pytest.raises(ExceptionGroup) as caught:
        await talks(room, [Say("One.")], Devices(), unplug)

    assert caught.group_contains(DeviceLost, match="USB microphone")
    assert "2.0 s heard" in capsys.readouterr().out


async def test_a_loudspeaker_that_goes_away_ends_the_talk(autojump_clock):
    room = Room()
    room.screen_off = True
    with pytest.raises(ExceptionGroup) as caught:
        await talks(room, [Say("One.")], Devices())

    assert caught.group_contains(DeviceLost, match="'Screen' took no audio for 3 s")


async def test_with_text_the_answer_is_on_the_screen_and_nothing_sounds(autojump_clock, capsys):
    room = Room()
    room.card = SoundCard(room.card.microphone, None)
    room.screen_off = True
    room.said += bytes(24_000) + tone(300, 1000)
    await talks(room, [Say("One, two.")], Devices(seconds=8.0), output_modalities=("text",))

    shown = capsys.readouterr().out
    assert re.search(r"agent +One, two\.\n", shown), shown
    assert "loudspeaker" not in shown


async def test_the_space_key_interrupts_and_is_no_turn(autojump_clock, capsys):
    room = Room()
    room.said += bytes(24_000) + tone(300, 1000)
    made = []

    class Watched(talk_mic._MicTalk):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    async def press(session):
        await trio.sleep(4)
        assert session.playback.playing
        await made[0]._press(" ")
        await made[0]._press("m")

    long = Say("One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve.")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(talk_mic, "_MicTalk", Watched)
        await talks(room, [long], Devices(seconds=10.0), press)

    shown = capsys.readouterr().out
    assert shown.count(" you ") == 1
    assert "cut off about here" in shown
    assert room.card.microphone.muted


# --- the screen -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level_dbfs", "cells"), [(-math.inf, 0), (-90.0, 0), (-60.0, 0), (-30.0, BAR_CELLS // 2), (0.0, BAR_CELLS)]
)
def test_the_bar_is_as_long_as_the_microphone_is_loud(level_dbfs, cells):
    assert Meter(at_s=0, level_dbfs=level_dbfs).cells == cells


@pytest.mark.parametrize(
    ("state", "word"),
    [({}, "open"), ({"waits": True}, "waits for the agent"), ({"muted": True, "waits": True}, "muted")],
)
def test_the_meter_says_whether_the_microphone_is_heard(state, word):
    assert Meter(at_s=0, level_dbfs=-20.0, **state).state == word
    assert word in mic_screen._row(Meter(at_s=0, level_dbfs=-20.0, playing=True, **state)).plain


def test_without_a_terminal_the_level_is_a_line_now_and_then_and_at_each_change(capsys):
    screen = MicScreen(Console(width=100))
    for tenth in range(1, 101):
        screen.show(Meter(at_s=tenth / 10, level_dbfs=-20.0, muted=tenth >= 72))

    assert capsys.readouterr().out.splitlines() == [
        "   5.0 s  level   -20 dBFS, open",
        "   7.2 s  level   -20 dBFS, muted",
    ]


# --- what can go wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--half-duplex"], "--half-duplex is for a talk by microphone | add --mic"),
        (["--input-device", "0"], "--input-device is for a talk by microphone"),
        (["--seconds", "3"], "--seconds is for a talk by microphone"),
        (["--mic", "--in", "said.wav"], "--mic and --in both say what is heard"),
    ],
)
def test_options_that_do_not_fit_are_told(command, arguments, words):
    shown = command("talk", "--simulator", *arguments)

    assert shown.code == exits.USAGE
    assert words in shown.err


def test_a_list_of_no_devices_says_so():
    assert lines([]) == ["this machine has no sound device"]
