"""Real PortAudio on ALSA's file and null plugins: each test is a program of its own, as PortAudio looks once."""

import signal
from pathlib import Path

import alsa
import trio
from alsa import file_card, needs_portaudio, run_python

from engine.audio.pcm import tone
from engine.simulator import Say, Script, serve

pytestmark = needs_portaudio

BOTH_WAYS = """
import trio
from engine.devices import devices, open_loudspeaker, open_microphone

async def main():
    print([(each.name, each.host_api, each.rate_hz) for each in devices() if each.name.startswith("file")])
    async with open_microphone("filemic") as microphone, open_loudspeaker("filespeaker") as loudspeaker:
        print(microphone.shape, loudspeaker.shape, sep=" | ")
        pieces = []
        async for block in microphone:
            pieces.append(block)
            while loudspeaker.statistics().waiting_ms > 40:  # after a moment in which the machine did other things
                await trio.sleep(0.005)
            loudspeaker.write_nowait(b"".join(block[at : at + 2] * 2 for at in range(0, len(block), 2)))
            if len(pieces) == 60:
                break
        print(microphone.statistics(), loudspeaker.statistics(), sep=" | ")

trio.run(main)
"""


def test_what_the_microphone_hears_comes_out_of_the_loudspeaker(tmp_path):
    said = tone(440, 600, rate_hz=alsa.RATE_HZ)
    with file_card(tmp_path, bytes(20_000) + said) as card:
        ran = run_python(card.environment, "-c", BOTH_WAYS)

    listed, shapes, figures = ran.stdout.splitlines()
    assert listed == "[('filemic', 'ALSA', 44100.0), ('filespeaker', 'ALSA', 44100.0)]", ran.stderr
    assert shapes == "pcm, 44100 Hz, 1 channel | pcm, 44100 Hz, 2 channels"
    assert "heard_ms=1200.0, dropped_ms=0.0, overflows=0" in figures
    assert "dropped_ms=0.0, trimmed_ms=0.0" in figures.partition("|")[2]
    # On a busy machine it may run empty for a moment: then there is silence in it, and nothing lost or out of order.
    assert sounds(said[1000:-1000]) in sounds(left(card.played))


def left(stereo):
    return b"".join(bytes(stereo[at : at + 2]) for at in range(0, len(stereo) - 3, 4))


def sounds(mono):
    return b"".join(mono[at : at + 2] for at in range(0, len(mono), 2) if any(mono[at : at + 2]))


LOST = """
import trio
from engine.config import AudioSettings, ClientSettings, SessionConfig
from engine.devices import microphone, open_microphone, stream
from engine.errors import DeviceLost
from engine.events import BidiResponseCompleteEvent, BidiTextInputEvent
from engine.session import open_session
from engine.simulator import serve
from engine.testing import in_memory

microphone.STALLED_S = stream.CLOSE_DEADLINE_S = 0.5

async def main():
    config = SessionConfig(client=ClientSettings(api_key="any"), audio=AudioSettings(input_rate=44_100))
    async with serve(host=None) as simulator, open_session(config, connector=in_memory(simulator)) as session:
        for how in ("stopped", "unplugged"):
            try:
                async with open_microphone("filemic") as heard:
                    async for block in heard:
                        await session.send_audio(block)
                        if heard.statistics().heard_ms == 200:
                            if how == "stopped":
                                heard._stream._stream.abort()
                            else:
                                print("unplug", flush=True)
                                input()
            except DeviceLost as lost:
                print(lost.device, lost.reason, flush=True)
        await session.send(BidiTextInputEvent("still there?"))
        async for event in session.receive():
            if isinstance(event, BidiResponseCompleteEvent):
                break
        print(event.stop_reason)

trio.run(main)
"""


def test_a_microphone_that_disappears_is_an_error_and_the_session_lives(tmp_path):
    """The first stops, and another is opened; that one hangs for good, and the program can end all the same."""
    with file_card(tmp_path) as card, alsa.running(card.environment, "-c", LOST) as ran:
        assert ran.stdout.readline() == "filemic has stopped\n"
        assert ran.stdout.readline() == "unplug\n"
        card.unplugged = True
        ran.answer()
        rest = ran.stdout.read().splitlines()
        assert ran.wait(20) == 0

    hangs = "a sound device did not stop within 0.5 s and is left alone"
    assert rest == [hangs, "filemic gave no audio for 0.5 s", "complete"]


NONE = """
import trio
from engine.devices import devices, open_microphone, open_loudspeaker
from engine.errors import ConfigError

async def main():
    for opened in (open_microphone, open_loudspeaker):
        try:
            async with opened():
                pass
        except ConfigError as error:
            print(error)

trio.run(main)
"""


def test_a_machine_without_devices_says_so(tmp_path):
    configuration = tmp_path / "asound.conf"
    configuration.write_text(alsa.NO_DEVICES, "utf-8")
    ran = run_python({"ALSA_CONFIG_PATH": str(configuration)}, "-c", NONE)

    assert ran.stdout.splitlines()[:2] == [
        "this machine has no microphone | connect one",
        "this machine has no loudspeaker | connect one",
    ], ran.stderr


REFUSED = """
import os, trio
from engine.devices import open_microphone
from engine.errors import ConfigError
import sounddevice

os.unlink(PATH)
async def main():
    try:
        async with open_microphone("filemic"):
            pass
    except ConfigError as error:
        print(error.field, error)

trio.run(main)
"""


def test_a_device_that_can_not_be_opened_is_told_with_the_way_out(tmp_path):
    """It was there when the list was made."""
    with file_card(tmp_path) as card:
        program = REFUSED.replace("PATH", repr(str(tmp_path / "microphone.pcm")))
        ran = run_python(card.environment, "-c", program)

    assert ran.stdout.startswith("input_device the sound device 'filemic' can't be opened: "), ran.stderr
    assert ran.stdout.endswith("| another program may hold it; choose another device or rate\n")


EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "devices.py"


async def test_the_program_of_the_docs_talks_through_the_devices(tmp_path):
    said = bytes(alsa.RATE_HZ) + tone(300, 1000, rate_hz=alsa.RATE_HZ)
    script = Script.of(Say("One, two."))
    with file_card(tmp_path, said) as card:
        environment = card.environment | {"OPENAI_API_KEY": "any-text"}
        async with serve(responder_factory=script.responder) as simulator:
            arguments = (str(EXAMPLE), simulator.base_url, "filemic", "filespeaker")
            with alsa.running(environment, *arguments) as program, trio.fail_after(90):
                line = await trio.to_thread.run_sync(program.stdout.readline)
                assert line == "assistant: One, two.\n"
                while not any(card.played):  # noqa: ASYNC110 - a thread drains the loudspeaker
                    await trio.sleep(0.02)
                program.send_signal(signal.SIGINT)
                await trio.to_thread.run_sync(program.wait)

    assert any(card.played)
