"""Writes a run's report: one HTML file that needs nothing beside it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from engine.farm.job import Result
from engine.farm.metrics import METRICS
from engine.farm.report.embedding import SOUND_TYPES, in_base64, link_to, packed_json, readable_file
from engine.farm.report.formatting import bytes_text, count_text
from engine.farm.report.page import write_page
from engine.farm.report.reading import Reading, Sound, read_run
from engine.farm.report.view import short_text, view

EMBEDDED_AUDIO_BYTES: Final = 24 * 2**20
"""Audio files of so many bytes together lie in the page; the page links to the others beside it."""

_STYLES: Final = ("base.css", "report.css")
_SCRIPTS: Final = ("base.js", "table.js", "timeline.js", "session.js", "charts.js", "start.js")


def write_report(
    folder: str | Path, *, out: str | Path | None = None, embedded_audio_bytes: int = EMBEDDED_AUDIO_BYTES
) -> Path:
    """Write the report of a run. Blocks: call it in a thread.

    Args:
        folder: Of the run; its ledger may still be written.
        out: Where to write; `report.html` in the run's folder without one.
        embedded_audio_bytes: Most audio in the page itself: that of sessions that did not pass comes first.

    Returns:
        Path of the page.

    Raises:
        LedgerUnusable: There is no run in the folder, or its ledger can't be read.
        FarmError: The page can't be written there.
        ConfigError: A library of the extra `farm` is not installed.
    """
    place = Path(folder) / "report.html" if out is None else Path(out)
    reading = read_run(Path(folder), _links(Path(folder).resolve(), place.parent.resolve()))
    sounds = list(_chosen(reading, embedded_audio_bytes))
    return write_page(
        place,
        "report.html",
        {
            **view(reading),
            "title": f"{reading.plan.name}: report of run {reading.run_id}",
            "audio_note": _audio_note(reading.sounds, sounds),
        },
        styles=_STYLES,
        scripts=_SCRIPTS,
        blocks=_blocks(reading),
        sounds=_in_page(sounds, Path(folder)),
    )


def _links(run_folder: Path, from_folder: Path) -> Callable[[Result], Mapping[str, str]]:
    def links(result: Result) -> dict[str, str]:
        found = {file.kind: link_to(file.path, from_folder=from_folder, run_folder=run_folder) for file in result.files}
        return {kind: address for kind, address in found.items() if address is not None}

    return links


def _blocks(reading: Reading) -> list[tuple[str, str]]:
    sessions = reading.sessions
    tagged: dict[str, list[str]] = {}
    for scenario in reading.plan.scenarios:
        for tag in scenario.tags:
            tagged.setdefault(tag, []).append(scenario.name)
    table = {**sessions.columns, "block": sessions.block, "tagged": tagged, "expectations": list(sessions.expectations)}
    series = {name: one.to_json() for name, one in reading.series.items() if one.value}
    blocks = [(f"block-{number}", text) for number, text in enumerate(sessions.blocks)]
    return [
        ("table", packed_json(table)),
        ("run", packed_json(_run(reading))),
        ("series", packed_json(series)),
        *blocks,
    ]


def _run(reading: Reading) -> dict[str, Any]:
    """Give what the charts need to know beside values."""
    return {
        "metrics": {name: {"unit": metric.unit, "about": metric.about} for name, metric in METRICS.items()},
        "thresholds": [
            {
                "short": short_text(one.threshold),
                "metric": one.threshold.metric,
                "bound": one.threshold.bound,
                "held": one.held,
                # A bound on a count or a sum is no value of the metric.
                "in_values": one.threshold.statistic not in ("count", "total", "rate"),
            }
            for one in reading.judged
        ],
        "resumed_at_s": reading.elapsed.resumed_at_s,
        "duration_s": reading.elapsed.total_s,
        "running": reading.running.to_json(),
        # A cap far above what ever ran would flatten the chart.
        "cap": reading.plan.caps.sessions if reading.plan.caps.sessions <= 2 * reading.running.most else None,
    }


# --- audio -------------------------------------------------------------------------------------------------------


def _chosen(reading: Reading, most_bytes: int) -> Iterator[Sound]:
    """Choose the audio that lies in the page: what did not pass first, then by number, as long as there is room."""
    for sound in sorted(reading.sounds, key=lambda sound: (sound.passed, sound.job, sound.attempt)):
        file = readable_file(sound.path, reading.folder)
        if file is None or file.suffix not in SOUND_TYPES:
            continue
        most_bytes -= file.stat().st_size
        if most_bytes < 0:
            return
        yield sound


def _in_page(sounds: Sequence[Sound], folder: Path) -> Iterator[dict[str, Any]]:
    for sound in sounds:
        file = readable_file(sound.path, folder)
        if file is None:
            continue
        kind = SOUND_TYPES[file.suffix]
        yield {"job": sound.job, "attempt": sound.attempt, "type": kind, "text": in_base64(file.read_bytes())}


def _audio_note(every: Sequence[Sound], in_page: Sequence[Sound]) -> str:
    if not every:
        return "No audio was kept."
    size = bytes_text(sum(sound.size_bytes for sound in in_page))
    inside = f"Audio of {count_text(len(in_page))} of {count_text(len(every))} tries lies in this page ({size})"
    return (
        f"{inside}." if len(in_page) == len(every) else f"{inside}; that of the others is read from the run's folder."
    )
