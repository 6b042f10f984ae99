"""Tells a comparison of two runs: as plain lines for a terminal, and as a page."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from engine.farm.metrics import METRICS, Unit
from engine.farm.report.comparison import Change, Comparison, Flip, Side
from engine.farm.report.embedding import packed_json
from engine.farm.report.formatting import NOTHING, clipped, count_text, counted, time_text, value_text
from engine.farm.report.page import write_page
from engine.farm.report.view import target_text, threshold_row
from engine.printable import one_line

MOST_FLIPS: Final = 200
MOST_NUMBERS: Final = 10
"""Calls that are named by number of those that passed in one run only."""

_MARKS: Final = {"worse": "✗", "better": "✓", "changed": "~", "no change": "=", "too few": "?"}
_WORDS: Final = {"no change": "no change beyond noise", "too few": "too few values to say"}


def comparison_lines(comparison: Comparison) -> list[str]:
    """Tell it as plain lines for a terminal: what changed, then the sessions that ended otherwise."""
    a, b = comparison.a, comparison.b
    rows = [change_row(change) for change in comparison.changes if change.verdict not in ("no change", "too few")]
    same = sum(change.verdict == "no change" for change in comparison.changes)
    few = sum(change.verdict == "too few" for change in comparison.changes)
    lines = [f"A  {_side_line(a)}", f"B  {_side_line(b)}", ""]
    if not comparison.paired:
        lines += ["! the runs have other scenarios: what changed may be the plan", ""]
    lines += [
        f"{row['mark']} {row['verdict']}: {row['name']}: {row['a']} -> {row['b']} ({row['change']})" for row in rows
    ]
    if not rows:
        lines.append("= no figure changed beyond noise")
    lines.append(f"  {counted(same, 'figure')} without a change beyond noise, {few} with too few values to say")
    lines += [f"  {told}" for told in flip_lines(comparison)]
    return [one_line(line) for line in lines]


def flip_lines(comparison: Comparison) -> list[str]:
    """Name the calls that passed in one run only: those that fail now, then those that pass now."""
    fails = [flip.job for flip in comparison.flips if flip.b != "passed"]
    passes = [flip.job for flip in comparison.flips if flip.b == "passed"]
    told = (("passed in A and not in B", fails), ("passed in B and not in A", passes))
    return [f"{how}: {_calls(jobs)}" for how, jobs in told if jobs]


def _calls(jobs: Sequence[int]) -> str:
    shown = ", ".join(map(str, jobs[:MOST_NUMBERS]))
    more = f" and {count_text(len(jobs) - MOST_NUMBERS)} more" if len(jobs) > MOST_NUMBERS else ""
    return f"{counted(len(jobs), 'call')} ({shown}{more})"


def _side_line(side: Side) -> str:
    ended = ", ".join(f"{count_text(count)} {status}" for status, count in sorted(side.statuses.items()))
    return f"{side.plan.name}, run {side.run_id}, {time_text(side.began_at)}: {ended or 'no session has ended'}"


def write_comparison(comparison: Comparison, out: str | Path) -> Path:
    """Write it as one HTML page.

    Raises:
        FarmError: The page can't be written there.
        ConfigError: A library of the extra `farm` is not installed.
    """
    place = Path(out)
    curves = {
        name: {"unit": METRICS[name].unit, "about": METRICS[name].about, "a": a, "b": b}
        for name, (a, b) in comparison.curves.items()
        if METRICS[name].kind == "trend"
    }
    return write_page(
        place,
        "compare.html",
        view(comparison, place.parent),
        styles=("base.css",),
        scripts=("base.js", "compare.js"),
        blocks=[("curves", packed_json(curves))],
    )


def view(comparison: Comparison, folder: Path) -> dict[str, Any]:
    """Give everything that the page's template names."""
    a, b = comparison.a, comparison.b
    verdicts = [change.verdict for change in comparison.changes]
    return {
        "title": f"Runs {a.run_id} and {b.run_id}",
        "sides": [_side(letter, side, folder) for letter, side in (("A", a), ("B", b))],
        "same_plan": a.plan.name if a.plan.name == b.plan.name else "",
        "paired": comparison.paired,
        "worse": verdicts.count("worse"),
        "better": verdicts.count("better"),
        "changed": verdicts.count("changed"),
        "changes": [change_row(change) for change in comparison.changes],
        "thresholds": _thresholds(a, b),
        "flips": [_flip(flip, comparison, folder) for flip in comparison.flips[:MOST_FLIPS]],
        "flip_lines": flip_lines(comparison),
        "more_flips": max(0, len(comparison.flips) - MOST_FLIPS),
    }


def change_row(change: Change) -> dict[str, str]:
    """Tell a figure in both runs."""
    name = change.metric.replace("_", " ") if change.metric in METRICS else f"held: {clipped(change.metric, 120)}"
    name = name if change.metric not in METRICS or change.unit == "share" else f"{name}, {change.statistic}"
    return {
        "name": f"{name} ({change.scenario})" if change.scenario else name,
        "a": value_text(change.a, change.unit),
        "b": value_text(change.b, change.unit),
        "change": _difference(change),
        "interval": _interval(change),
        "p": NOTHING if change.p is None else "< 0.001" if change.p < 0.001 else f"{change.p:.3f}",
        "kind": change.verdict.replace(" ", "-"),
        "mark": _MARKS[change.verdict],
        "verdict": _WORDS.get(change.verdict, change.verdict),
    }


def _difference(change: Change) -> str:
    if change.a is None or change.b is None:
        return NOTHING
    if change.a == change.b:
        return "none"
    told = _signed(change.b - change.a, change.unit)
    return f"{told}, {(change.b - change.a) / change.a:+.1%}" if change.a and change.unit != "share" else told


def _signed(value: float, unit: Unit) -> str:
    if unit == "share":
        return f"{value * 100:+.2f} points"
    return ("+" if value >= 0 else "-") + value_text(abs(value), unit)


def _interval(change: Change) -> str:
    if change.low is None or change.high is None:
        return NOTHING
    return f"{_signed(change.low, change.unit)} to {_signed(change.high, change.unit)}"


def _side(letter: str, side: Side, folder: Path) -> dict[str, Any]:
    return {
        "letter": letter,
        "plan": side.plan.name,
        "run_id": side.run_id,
        "began": time_text(side.began_at),
        "target": target_text(side.plan.target),
        "sessions": counted(sum(side.statuses.values()), "session"),
        "statuses": [(status, count_text(count)) for status, count in sorted(side.statuses.items())],
        "report": _report_link(side, folder),
    }


def _report_link(side: Side, folder: Path) -> str:
    """Give the address of the run's own report, where there is one."""
    report = side.folder / "report.html"
    if not report.is_file():
        return ""
    path = Path(os.path.relpath(report.resolve(), folder.resolve())).as_posix()
    return "./" + "/".join(quote(part, safe="") for part in path.split("/"))


def _thresholds(a: Side, b: Side) -> list[dict[str, Any]]:
    """Give the thresholds of both, those of the same words side by side."""
    of_a, of_b = ({judged.threshold.text: threshold_row(judged) for judged in side.judged} for side in (a, b))
    return [{"text": text, "a": of_a.get(text), "b": of_b.get(text)} for text in dict.fromkeys([*of_a, *of_b])]


def _flip(flip: Flip, comparison: Comparison, folder: Path) -> dict[str, Any]:
    links = [_report_link(side, folder) for side in (comparison.a, comparison.b)]
    return {
        "job": flip.job,
        "scenario": flip.scenario,
        "about": clipped(flip.about, 200),
        "why": clipped(flip.why, 300),
        "sides": [
            {"status": status, "link": f"{link}#call={flip.job}" if link else ""}
            for status, link in zip((flip.a, flip.b), links, strict=True)
        ],
    }
