"""Sound cards of files: a microphone and a loudspeaker of ALSA's file plugin, in real time, without hardware.

The file plugin reads and writes as fast as it can, and ALSA's null device below it is always ready. So the files are
pipes: who feeds one and drains the other, at the pace of speech, is the clock of the card.
"""

import ctypes.util
import fcntl
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Thread, Timer

import pytest

RATE_HZ = 44_100
"""What PortAudio takes as the null device's own rate."""

FRAME_S = 0.02
MICROPHONE_FRAME_BYTES = int(RATE_HZ * FRAME_S) * 2
LOUDSPEAKER_FRAME_BYTES = int(RATE_HZ * FRAME_S) * 4
"""The loudspeaker is stereo."""

PIPE_BYTES = 4096
"""The least that a pipe can hold: it adds to the delay."""

needs_portaudio = pytest.mark.skipif(
    not sys.platform.startswith("linux") or ctypes.util.find_library("portaudio") is None,
    reason="needs PortAudio with ALSA: apt install libportaudio2",
)

CONFIGURATION = """
pcm.filemic {{
    type file
    slave {{ pcm {{ type null }} }}
    file "/dev/null"
    infile "{microphone}"
    format raw
}}
pcm.filespeaker {{
    type file
    slave {{ pcm {{ type null }} }}
    file "{loudspeaker}"
    format raw
}}
pcm.default {{ type null }}
"""
"""PortAudio lists each device that it can open. With none of the name `default` its list is one too short, and it
aborts the process."""

NO_DEVICES = 'pcm.broken { type plug slave.pcm "nowhere" }'


class FileCard:
    """Runs both pipes.

    Attributes:
        played: What the loudspeaker gave, PCM16 stereo.
    """

    def __init__(self, folder: Path, says: bytes) -> None:
        self.says = bytearray(says)
        self.played = bytearray()
        self.unplugged = False
        self._paths = {"microphone": folder / "microphone.pcm", "loudspeaker": folder / "loudspeaker.pcm"}
        self._configuration = folder / "asound.conf"
        self._configuration.write_text(CONFIGURATION.format(**self._paths), "utf-8")
        self._running = True
        self._pipes = [self._pipe(path) for path in self._paths.values()]
        self._threads = [Thread(target=run, daemon=True) for run in (self._feed, self._drain)]
        self.environment = {"ALSA_CONFIG_PATH": str(self._configuration)}

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._running = False
        for thread in self._threads:
            thread.join(5)
        for pipe in self._pipes:
            os.close(pipe)

    def _pipe(self, path: Path) -> int:
        os.mkfifo(path)
        # Both ends in one: opening waits for nobody, and the pipe outlives whoever opens and closes it beside us.
        pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return pipe

    def _feed(self) -> None:
        for _ in self._beats():
            frame = bytes(self.says[:MICROPHONE_FRAME_BYTES]).ljust(MICROPHONE_FRAME_BYTES, b"\0")
            if not self.unplugged and self._write(frame):
                del self.says[:MICROPHONE_FRAME_BYTES]

    def _write(self, frame: bytes) -> bool:
        # A pipe takes less than one of its pages whole or not at all; when nobody listens it is full.
        try:
            return os.write(self._pipes[0], frame) > 0
        except BlockingIOError:
            return False

    def _drain(self) -> None:
        for _ in self._beats():
            try:
                self.played += b"" if self.unplugged else os.read(self._pipes[1], LOUDSPEAKER_FRAME_BYTES)
            except BlockingIOError:
                continue

    def _beats(self):
        begins, beats = time.monotonic(), 0
        while self._running:
            beats += 1
            time.sleep(max(0.0, begins + beats * FRAME_S - time.monotonic()))
            yield beats


@contextmanager
def file_card(folder: Path, says: bytes = b""):
    """Run a card for the time of the block.

    Args:
        folder: For its files.
        says: What the microphone hears before it hears silence: PCM16 mono of `RATE_HZ`.
    """
    card = FileCard(folder, says)
    card.start()
    try:
        yield card
    finally:
        card.close()


def run_python(environment: dict[str, str], *arguments: str, deadline_s: float = 60) -> subprocess.CompletedProcess:
    """Run Python with this environment added: PortAudio reads the configuration once in a process."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=deadline_s,
        stdin=subprocess.DEVNULL,
        check=False,
    )


class Running(subprocess.Popen):
    """A program that waits for lines."""

    def answer(self) -> None:
        self.stdin.write("\n")
        self.stdin.flush()


@contextmanager
def running(environment: dict[str, str], *arguments: str, deadline_s: float = 60):
    """Run Python beside the block, and end it with that; who waits for its lines waits no longer than the deadline."""
    program = Running(
        [sys.executable, "-u", *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = Timer(deadline_s, program.kill)
    deadline.start()
    with program:
        try:
            yield program
        finally:
            deadline.cancel()
            program.kill()
