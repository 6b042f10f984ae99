"""What a report's page shows, in words: tiles, thresholds, causes, figures by metric, scenario and worker."""

from collections.abc import Mapping
from typing import Any, Final

from engine.farm.figures import Figures
from engine.farm.metrics import METRICS, Unit
from engine.farm.plan.model import Target, Threshold
from engine.farm.plan.thresholds import Judged
from engine.farm.report.formatting import (
    NOTHING,
    bytes_text,
    clipped,
    count_text,
    counted,
    ms_text,
    share_text,
    time_text,
    usd_text,
    value_text,
)
from engine.farm.report.reading import Group, Reading, trends

PERCENTS: Final = (50, 90, 95, 99)
"""Percentiles of the table of metrics."""

MOST_ROWS: Final = 50
"""Expectations and notes that are listed."""

_EXAMPLE_CHARACTERS: Final = 300


def view(reading: Reading) -> dict[str, Any]:
    """Give everything that the page's template names."""
    figures, judged, left_out = reading.figures_of(), reading.judged, reading.sessions.without_details
    expectations = [cause for cause in reading.causes.expectations if cause.failed]
    return {
        "plan_name": reading.plan.name,
        "run_id": reading.run_id,
        "began": time_text(reading.stints[0].began_at) if reading.stints else "not begun",
        "duration": ms_text(reading.elapsed.total_s * 1000) if reading.elapsed.total_s else "",
        "target": target_text(reading.plan.target),
        "why": reading.stints[-1].why if reading.stints else "",
        "over": bool(reading.stints and reading.stints[-1].why),
        "any_listed": bool(reading.sessions.columns["job"]),
        "ended_count": counted(sum(reading.counts.done.values()), "session"),
        "thresholds": [threshold_row(one) for one in judged],
        "crossed": sum(not one.held for one in judged),
        "tiles": _tiles(reading, figures),
        "errors": [_with_example(cause) for cause in reading.causes.errors],
        "expectations": [_with_example(cause) for cause in expectations[:MOST_ROWS]],
        "not_told_apart": reading.causes.not_told_apart + sum(cause.failed for cause in expectations[MOST_ROWS:]),
        "percents": PERCENTS,
        "metrics": [_metric_row(name, figures) for name in trends(figures)],
        "scenarios": [_group_row(name, group) for name, group in reading.scenarios.items() if group.tries],
        "workers": _workers(reading.workers),
        "course": _course(reading),
        "without_details": counted(left_out, "session") if left_out else "",
    }


def target_text(target: Target) -> str:
    """Say whom the sessions talked to."""
    told = {"simulator": f"The simulator, voice {target.voice}", "service": "OpenAI's service", "url": target.url or ""}
    return told[target.kind]


def threshold_row(judged: Judged) -> dict[str, Any]:
    """Tell a threshold."""
    is_count = judged.threshold.statistic == "count"
    unit: Unit = "count" if is_count else METRICS[judged.threshold.metric].unit
    return {
        "text": judged.threshold.text,
        "value": value_text(judged.value, unit),
        "measured": judged.value is not None,
        "held": judged.held,
    }


def short_text(threshold: Threshold) -> str:
    """Tell a bound in few words, for a line in a chart: `p95 < 900 ms`, `refund: p95 < 1,200 ms`."""
    sign = ("<" if threshold.below else ">") + ("=" if threshold.inclusive else "")
    whose = f"{clipped(threshold.scenario or threshold.tag or '', 24)}: " if threshold.scenario or threshold.tag else ""
    return f"{whose}{threshold.statistic} {sign} {value_text(threshold.bound, METRICS[threshold.metric].unit)}"


# --- tiles -------------------------------------------------------------------------------------------------------


def _tile(label: str, value: str, more: str = "", *, mood: str = "", narrow: Mapping[str, str] | None = None) -> Any:
    return {"label": label, "value": value, "more": more, "mood": mood, "narrow": narrow}


def _tiles(reading: Reading, figures: Figures) -> list[Any]:
    statuses, counts = reading.statuses, reading.counts
    ended, passed, failed = sum(statuses.values()), statuses["passed"], statuses["failed"]
    broke = statuses["error"] + statuses["lost"]
    waiting = counts.waiting + counts.under_way
    of = f"of {count_text(reading.jobs)}" if reading.jobs is not None and reading.jobs != ended else ""
    first, turns = "time_to_first_audio", figures.total("turns")
    return [
        _tile("Sessions", count_text(ended), ", ".join(filter(None, (of, f"{waiting} open" if waiting else "")))),
        _tile("Passed", share_text(passed / ended) if ended else NOTHING, counted(passed, "session")),
        _tile(
            "Failed", count_text(failed), "show them" if failed else "", mood="bad" if failed else "",
            narrow={"status": "failed"} if failed else None,
        ),
        _tile(
            "Broke", count_text(broke), "show them" if broke else "", mood="bad" if broke else "",
            narrow={"status": "error,lost"} if broke else None,
        ),
        _tile("First audio", _percentile(figures, first, 50), f"median; p95 {_percentile(figures, first, 95)}"),
        _tile("Turns", count_text(turns), f"{count_text(turns / ended)} a session" if ended else ""),
        _tile("Tries", count_text(counts.attempts), f"{count_text(counts.retried)} tried again"),
        _tile("Cost", usd_text(counts.cost_usd), f"{count_text(counts.tokens)} tokens, {_cost_notes(reading)}"),
    ]  # fmt: skip


def _percentile(figures: Figures, metric: str, percent: float) -> str:
    return value_text(figures.percentile(metric, percent), METRICS[metric].unit)


def _cost_notes(reading: Reading) -> str:
    if reading.plan.target.kind == "simulator":
        return "simulated"
    if reading.counts.unpriced:
        return f"{count_text(reading.counts.unpriced)} tries of unknown price"
    ended = sum(reading.statuses.values())
    return f"{usd_text(reading.counts.cost_usd / ended)} a session" if ended else ""


# --- tables ------------------------------------------------------------------------------------------------------


def _with_example(cause: Any) -> Any:
    cause.example = clipped(cause.example, _EXAMPLE_CHARACTERS)
    return cause


def _metric_row(name: str, figures: Figures) -> dict[str, Any]:
    unit = METRICS[name].unit
    return {
        "name": name,
        "about": METRICS[name].about,
        "count": count_text(figures.count(name)),
        "mean": value_text(figures.mean(name), unit),
        "percentiles": [_percentile(figures, name, percent) for percent in PERCENTS],
        "least": value_text(figures.least(name), unit),
        "most": value_text(figures.most(name), unit),
    }


def _group_row(name: str, group: Group) -> dict[str, Any]:
    figures, statuses = group.figures, group.statuses
    return {
        "name": name,
        "sessions": count_text(sum(statuses.values())),
        "passed": count_text(statuses["passed"]),
        "failed": count_text(statuses["failed"]),
        "broke": count_text(statuses["error"] + statuses["lost"]),
        "tries": count_text(group.tries),
        "first_audio_p50": _percentile(figures, "time_to_first_audio", 50),
        "first_audio_p95": _percentile(figures, "time_to_first_audio", 95),
        "response_p95": _percentile(figures, "response_time", 95),
        "word_error_rate": value_text(figures.mean("word_error_rate"), "share"),
        "tokens": count_text(figures.total("tokens")),
        "cost": usd_text(figures.total("cost")),
    }


def _workers(workers: Mapping[str, Group]) -> list[dict[str, Any]]:
    return [_group_row(name, group) for name, group in workers.items()] if len(workers) > 1 else []


def _course(reading: Reading) -> list[tuple[str, str]]:
    told = []
    for stint in reading.stints:
        what = "Begun" if stint.number == 1 else "Resumed"
        told.append((stint.began_at, f"{what} on {stint.host}, process {stint.pid}"))
        told.append((stint.last_at, f"Ended: {stint.why}" if stint.why else "Last written (it goes on, or was killed)"))
    notes = [(note.at, f"{note.kind}: {clipped(note.text, _EXAMPLE_CHARACTERS)}") for note in reading.notes]
    course = [(time_text(at), text) for at, text in sorted(told + notes[:MOST_ROWS], key=lambda one: one[0])]
    if len(notes) > MOST_ROWS:
        course.append(("", f"{len(notes) - MOST_ROWS} more notes stand in the ledger"))
    return [*course, ("", f"Files of sessions: {bytes_text(reading.counts.kept_bytes)}")]
