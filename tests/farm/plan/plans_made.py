"""Plans for tests: a good one, and ways to spoil it."""

import wave

from engine.farm.plan.load import load_plan

GOOD = """\
name = "smoke"
target = "simulator"
thresholds = ["p95(time_to_first_audio) < 800ms", "error_rate{scenario: greet} < 1%"]

[session]
instructions = "Be brief."
turn_detection = { type = "server_vad", silence_duration_ms = 300 }
audio.wire_format = "pcmu"

[load]
shape = "constant"
sessions = 4

[caps]
sessions = 20

[[scenario]]
name = "greet"
tags = ["short"]
repeat = 3
matrix = { voice = ["alloy", "verse"], speed = [1.0, 1.2] }
session = { voice = "{voice}", speed = "{speed}" }
turns = [
  { type = "Hello, {voice}" },
  { say = "hello.wav", interrupt_after_ms = 300 },
  { wait_s = 1 },
]
expect = [
  { contains = "{voice}", turn = -1 },
  { reference = "hello", at_most = 0.3 },
  { tool_called = "get_weather" },
]

[[scenario.tool]]
name = "get_weather"
answer = { rain = true }
parameters = { type = "object" }
"""


def write_plan(folder, text=GOOD, name="plan.toml"):
    """Write a plan, and the sound that the good one names."""
    write_sound(folder / "hello.wav", 0.5)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def load_text(folder, text=GOOD):
    return load_plan(write_plan(folder, text))


def write_sound(path, length_s, rate_hz=8000):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(b"\x00\x20" * round(length_s * rate_hz))
    return path


def line_of(text, part):
    """Tell the line, from 1, in which a part stands first."""
    return text[: text.index(part)].count("\n") + 1
