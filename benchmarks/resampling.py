"""What conversion does to audio, and what it costs: `python -m benchmarks.resampling`.

Fidelity is measured against an ideal conversion, computed in float64 by Fourier transform over the whole signal. CPU
figures are medians of interleaved runs of CPU time, never wall time.
"""

import argparse
import random
import statistics
import time
from collections.abc import Iterator
from importlib import resources

import numpy as np
import trio

from engine.actors.audio_pump import AudioPump
from engine.audio.converter import Converter
from engine.audio.files import read_pcm16
from engine.audio.output import OutputConverter
from engine.audio.shape import AudioShape
from engine.config import AudioSettings
from engine.lane import Lane

RATES_HZ = (8_000, 16_000, 24_000, 44_100, 48_000)
WIRE = AudioShape()
BAND = 0.9
"""Share of the lower half rate that test signals use. Above it every resampler's filter falls off, soxr's from 0.91."""

SPEECH = "sense_and_sensibility_01_austen_64kb-0880.wav"
SPEECH_RATE_HZ = 16_000


def ideal(samples: np.ndarray, from_hz: int, to_hz: int, band_hz: float | None = None) -> np.ndarray:
    """Convert by Fourier transform: all that the lower rate can hold is kept as it is, all else goes.

    Args:
        samples: The whole signal.
        from_hz: Its rate.
        to_hz: The rate wanted.
        band_hz: Keep only what is lower.
    """
    count = (2 * len(samples) * to_hz + from_hz) // (2 * from_hz)
    step = from_hz // np.gcd(from_hz, to_hz)
    edge = step * (from_hz // 2 // step + 1)  # Silence at both ends, as the transform takes the signal for a circle.
    padded = np.concatenate([np.zeros(edge), samples, np.zeros(edge + -len(samples) % step)])
    bins = np.fft.rfft(padded)
    size = len(padded) * to_hz // from_hz
    kept = np.zeros(size // 2 + 1, complex)
    most = min(len(bins), len(kept))
    kept[:most] = bins[:most]
    if band_hz is not None:
        kept[np.fft.rfftfreq(size, 1 / to_hz) > band_hz] = 0
    start = edge * to_hz // from_hz
    return np.fft.irfft(kept, size)[start : start + count] * (to_hz / from_hz)


def band_hz(rate_hz: int) -> float:
    """Tell up to where a test signal of this rate goes, as the wire must hold it too."""
    return BAND * min(rate_hz, WIRE.rate_hz) / 2


def sweep(rate_hz: int, duration_s: float = 2.0) -> np.ndarray:
    """Make a sine that climbs from 50 Hz through the band, with soft ends, at -6 dBFS."""
    at = np.arange(round(rate_hz * duration_s)) / rate_hz
    phase = 2 * np.pi * (50 * at + (band_hz(rate_hz) * 0.97 - 50) * at**2 / (2 * duration_s))
    ends = np.clip(np.minimum(at, duration_s - at) / 0.1, 0, 1)
    return 0.5 * np.sin(phase) * (0.5 - 0.5 * np.cos(np.pi * ends))


def speech(rate_hz: int) -> np.ndarray:
    """Give human speech at this rate, from the demo's recordings."""
    with resources.as_file(resources.files("engine.demo") / "speech" / SPEECH) as path:
        recorded = np.frombuffer(read_pcm16(path, SPEECH_RATE_HZ), "<i2") / 32768
    return ideal(recorded, SPEECH_RATE_HZ, rate_hz, band_hz(rate_hz))


def quantised(channels: list[np.ndarray]) -> np.ndarray:
    """Give PCM16 samples, a column for each channel."""
    return np.clip(np.rint(np.stack(channels, axis=1) * 32768), -32768, 32767).astype("<i2")


def made(name: str, rate_hz: int, channels: int) -> np.ndarray:
    """Make a test signal; the second channel has it softer and a little later."""
    left = {"sweep": sweep, "speech": speech}[name](rate_hz)
    late = np.concatenate([np.zeros(rate_hz // 100), left[: -(rate_hz // 100)]])
    return quantised([left, late / 2][:channels])


def snr_db(converted: bytes, reference: np.ndarray) -> float:
    """Compare PCM16 with what it should be, from -1 to 1."""
    error = np.frombuffer(converted, "<i2") / 32768 - reference
    return float(10 * np.log10((reference**2).sum() / (error**2).sum()))


def cuts(audio: bytes, rng: random.Random, most: int = 8_000) -> Iterator[bytes]:
    """Cut anywhere, inside samples too."""
    at = 0
    while at < len(audio):
        size = rng.randint(1, most)
        yield audio[at : at + size]
        at += size


def show_fidelity() -> None:
    """Print signal-to-noise ratios."""
    print("To 24 kHz mono, against the ideal: SNR, samples, and whether pieces cut at random give the same bytes")
    rng = random.Random(1)
    for name in ("sweep", "speech"):
        for rate_hz in RATES_HZ:
            for channels in (1, 2):
                signal = made(name, rate_hz, channels)
                audio = signal.tobytes()
                converter = Converter(AudioShape("pcm", rate_hz, channels), WIRE)
                whole = converter.push(audio) + converter.finish()
                cut = b"".join(map(converter.push, cuts(audio, rng))) + converter.finish()
                reference = ideal(signal.mean(axis=1) / 32768, rate_hz, WIRE.rate_hz)
                ratio = "exact" if whole == audio else f"{snr_db(whole, reference):.1f} dB"
                length = f"{len(signal)} -> {len(whole) // 2}" + (" exact" if len(whole) // 2 == len(reference) else "")
                print(f"  {name:8}{rate_hz:7} Hz {channels} ch {ratio:>9}  {length:24}same bytes: {cut == whole}")


async def feed_us(settings: AudioSettings, frames: int) -> float:
    """Measure the CPU time of a 20 ms frame through the pump."""
    shape = settings.input_shape
    frame = bytes(shape.rate_hz // 50 * shape.frame_bytes)
    pump = AudioPump(Lane(1e12), settings, 40, "wait")
    began = time.process_time()
    for _ in range(frames):
        pump.feed(frame)
    return (time.process_time() - began) / frames * 1e6


def output_us(application: AudioShape, deltas: int) -> float:
    """Measure the CPU time of a 100 ms delta, base64 text in, bytes out."""
    output = OutputConverter(WIRE, application)
    delta = "AAAA" * (WIRE.rate_hz // 10 * 2 // 3)
    began = time.process_time()
    for _ in range(deltas):
        output.push("item", delta)
    return (time.process_time() - began) / deltas * 1e6


def show_input_cost(runs: int, frames: int) -> None:
    """Print what a microphone frame costs."""
    kinds = {
        "pcm 24 kHz mono": AudioSettings(),
        "pcm 24 kHz stereo": AudioSettings(channels=2),
        "pcm 8 kHz mono": AudioSettings(input_rate=8_000),
        "pcm 16 kHz mono": AudioSettings(input_rate=16_000),
        "pcm 44.1 kHz mono": AudioSettings(input_rate=44_100),
        "pcm 48 kHz mono": AudioSettings(input_rate=48_000),
        "pcm 48 kHz stereo": AudioSettings(input_rate=48_000, channels=2),
        "mu-law 8 kHz to pcm": AudioSettings(format="pcmu", wire_format="pcm"),
        "pcm 8 kHz to mu-law": AudioSettings(input_rate=8_000, wire_format="pcmu"),
    }
    seen: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(runs):
        for name, settings in kinds.items():
            seen[name].append(trio.run(feed_us, settings, frames))
    _show(f"CPU of a 20 ms frame through the pump, joined to 40 ms: median of {runs} runs", seen)


def show_output_cost(runs: int, deltas: int) -> None:
    """Print what an audio delta costs, where it is converted."""
    kinds = {
        "to 24 kHz stereo": AudioShape(channels=2),
        "to 16 kHz mono": AudioShape(rate_hz=16_000),
        "to 48 kHz mono": AudioShape(rate_hz=48_000),
        "to 44.1 kHz stereo": AudioShape(rate_hz=44_100, channels=2),
        "to mu-law 8 kHz": AudioShape("pcmu", 8_000),
    }
    seen: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(runs):
        for name, shape in kinds.items():
            seen[name].append(output_us(shape, deltas))
    _show(f"CPU of a 100 ms delta to the application's shape: median of {runs} runs", seen)


def _show(title: str, seen: dict[str, list[float]]) -> None:
    print(title)
    first = statistics.median(next(iter(seen.values())))
    for name, values in seen.items():
        middle = statistics.median(values)
        print(f"  {name:22}{middle:7.1f} us  {middle / first:5.1f} times the first")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--frames", type=int, default=2_000)
    asked = parser.parse_args()
    show_fidelity()
    show_input_cost(asked.runs, asked.frames)
    show_output_cost(asked.runs, asked.frames // 5)


if __name__ == "__main__":
    main()
