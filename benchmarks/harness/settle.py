"""Figures of a run made of what the driver tells and what the load server counted."""

from benchmarks.harness.scenario import Figures


def settle_live(figures: Figures, report: Figures) -> Figures:
    """Count the microphone audio that did not arrive, but for what is held back for a whole message."""
    missing = figures["frames_sent"] * 960 - report["counts"].get("audio_bytes", 0)
    held = figures["sessions"] * 48 * 100
    return figures | {"mic_lost_ms": max(0, missing - held) / 48, "mic_missing_ms": missing / 48}


def settle_barge_in(figures: Figures, report: Figures) -> Figures:
    """Subtract the moment at which the server told from that at which the application heard."""
    told, spoke = figures["told_ns"], report["marks"].get("interrupted", [])
    late = sorted((at - began) / 1e6 for at, began in zip(told, spoke, strict=False) if at is not None)
    never = sum(at is None for at in told)
    median = late[len(late) // 2] if late else None
    return figures | {"told_ms": median, "told_max_ms": late[-1] if late else None, "never_told": never}


def settle_stall(figures: Figures, report: Figures) -> Figures:
    counts = report["counts"]
    return figures | {"pongs": counts.get("pongs", 0) if counts.get("pings") else None}


def settle_tools(figures: Figures, report: Figures) -> Figures:
    return figures | {"refused_creates": report["counts"].get("refused", 0)}
