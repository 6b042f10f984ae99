"""`realtime-engine talk`: one session from the terminal, by typed lines, a recording or a microphone."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from engine.audio.files import read_pcm16, write_wav
from engine.audio.pcm import bytes_to_ms
from engine.cli import talk_devices, talk_mic, talk_text, talk_wav
from engine.cli.heard import Heard
from engine.cli.naming import as_typed
from engine.cli.outputs import check_writable
from engine.cli.running import run
from engine.cli.talk_options import TalkOptions
from engine.config import (
    DEFAULT_INSTRUCTIONS,
    AudioSettings,
    ClientSettings,
    EngineSettings,
    SessionConfig,
    is_loopback,
)
from engine.demo.service import ANY_KEY, Service, local_voice, simulated
from engine.errors import ConfigError
from engine.recording import Recorder
from engine.session import open_session
from engine.transport.network import network

NO_KEY: Final = (
    "there is no key | set OPENAI_API_KEY, or add --simulator to talk with a simulator on this machine, without a key"
)


def talk(asked: TalkOptions) -> None:
    """Hold the session, and write the agent's voice.

    Raises:
        ConfigError: What was asked for can't be; nothing was connected.
        EngineError: The session failed.
    """
    devices = talk_devices.asked_for(asked)
    _check(asked)
    # Read before anything is connected: what is wrong with the file is told at once.
    pcm = None if asked.wav is None else read_pcm16(asked.wav)
    with as_typed():
        client = None if asked.simulator else _client(asked.base_url)
    heard = Heard()
    recorder = None if asked.record is None else Recorder(asked.record)

    async def command() -> None:
        async with _service(asked, client) as service, _sound_card(asked, devices) as card:
            with as_typed():
                config = _config(asked, service.client, card)
            async with open_session(config, connector=service.connector, record=recorder) as session:
                if card is not None and devices is not None:
                    await talk_mic.hold(session, card, devices, heard)
                elif pcm is None:
                    await talk_text.hold(session, heard)
                else:
                    await talk_wav.hold(session, pcm, heard)

    try:
        run(command)
    finally:
        if recorder is not None:
            _tell_recorded(recorder)
        if asked.out is not None:
            _save(asked.out, heard, in_step=asked.wav is not None)


def _save(out: Path, heard: Heard, *, in_step: bool) -> None:
    if not heard.voice_ms:
        words = "not written, for the agent said nothing"
    else:
        write_wav(out, bytes(heard.pcm))
        words = f"{heard.voice_ms / 1000:.1f} s of the agent's voice"
        if in_step:
            words += f" in {bytes_to_ms(len(heard.pcm)) / 1000:.1f} s, in step with the recording"
    sys.stdout.write(f"{out}: {words}\n")
    sys.stdout.flush()


def _check(asked: TalkOptions) -> None:
    _check_combination(asked)
    if asked.wav is None and not asked.mic and sys.stdin is None:
        message = "the standard input is closed, so there is nothing to say | type lines, pipe them in, or give --in"
        raise ConfigError("standard input", None, "lines, or --in", message=message)
    if asked.out is not None:
        _check_out(asked.out, asked.wav)
    if asked.record is not None:
        _check_record(asked.record, asked.wav, asked.out)


def _check_out(out: Path, wav: Path | None) -> None:
    if out.suffix.lower() != ".wav":
        message = f"--out writes WAV files, which {out} does not look like | give a name that ends in .wav"
        raise ConfigError("--out", str(out), "a name that ends in .wav", message=message)
    if wav is not None and out.resolve() == wav.resolve():
        message = f"--out would write over the recording {wav} | give another file"
        raise ConfigError("--out", str(out), "another file than --in", message=message)
    if not out.parent.is_dir():
        message = f"{out.parent} is no folder | make it, or give another file with --out"
        raise ConfigError("--out", str(out), "a file in a folder that exists", message=message)
    check_writable(out)


def _check_record(record: Path, wav: Path | None, out: Path | None) -> None:
    for option, other in (("--in", wav), ("--out", out)):
        if other is not None and record.resolve() == other.resolve():
            message = f"--record and {option} name the same file, {other} | give another with --record"
            raise ConfigError("--record", str(record), f"another file than {option}", message=message)
    check_writable(record, "--record")


def _check_combination(asked: TalkOptions) -> None:
    if asked.mic and asked.wav is not None:
        message = "--mic and --in both say what is heard | leave out one of them"
        raise ConfigError("--in", str(asked.wav), "nothing with --mic", message=message)
    if asked.text and asked.out is not None:
        message = "--text answers in writing, so there is nothing for --out | leave out one of them"
        raise ConfigError("--out", str(asked.out), "nothing with --text", message=message)
    if asked.simulator and asked.base_url:
        message = "--simulator and --base-url name two services | leave out one of them"
        raise ConfigError("--base-url", asked.base_url, "nothing with --simulator", message=message)


def _client(base_url: str | None) -> ClientSettings:
    """Say whom to talk to. A server on this machine gets a key that means nothing when there is none."""
    key = os.environ.get("OPENAI_API_KEY")
    client = ClientSettings(api_key=key or ANY_KEY, base_url=base_url)
    if not key and not is_loopback(urlsplit(client.base_url).hostname or ""):
        raise ConfigError("OPENAI_API_KEY", None, "a key", message=NO_KEY)
    return client


@asynccontextmanager
async def _service(asked: TalkOptions, client: ClientSettings | None) -> AsyncIterator[Service]:
    if client is not None:
        yield Service(client, network())
        return
    responders = await local_voice() if asked.simulator == "local" else None
    async with simulated(responders, in_memory=True) as service:
        yield service


def _tell_recorded(recorder: Recorder) -> None:
    figures = recorder.statistics()
    if recorder.error is not None:
        sys.stdout.write(f"{recorder.error}\n")
    elif figures.written_bytes:
        sys.stdout.write(f"{recorder.path}: {figures.messages:,} messages recorded\n")


@asynccontextmanager
async def _sound_card(
    asked: TalkOptions, devices: talk_devices.Devices | None
) -> AsyncIterator[talk_devices.SoundCard | None]:
    if devices is None:
        yield None
        return
    async with talk_devices.opened(devices, loudspeaker=not asked.text) as card:
        yield card


def _config(asked: TalkOptions, client: ClientSettings, card: talk_devices.SoundCard | None) -> SessionConfig:
    audio, engine = AudioSettings(voice=asked.voice), EngineSettings()
    if card is not None:
        # A microphone's audio that is late is worth nothing; a recording's is not to be lost.
        audio = AudioSettings(voice=asked.voice, input_rate=card.microphone.shape.rate_hz)
        engine = EngineSettings(input_overflow="drop_oldest")
    return SessionConfig(
        model=asked.model,
        instructions=asked.instructions or DEFAULT_INSTRUCTIONS,
        audio=audio,
        engine=engine,
        output_modalities=("text",) if asked.text else ("audio",),
        client=client,
    )
