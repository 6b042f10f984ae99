"""The results as pictures, PNG and SVG: bars for each scenario, curves over the number of sessions."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.harness.contenders import ENGINE, SEED
from benchmarks.harness.records import Results
from benchmarks.harness.scenario import Metric, Scenario
from benchmarks.harness.scenarios import SCENARIOS
from benchmarks.harness.summary import Spread, Where, spread

OURS_COLOUR: Final = "#0b6e4f"
SEED_COLOUR: Final = "#c8553d"
OTHERS_COLOUR: Final = "#8d99ae"
_PALETTE: Final = ("#3d5a80", "#e09f3e", "#7b2d8b", "#5c677d", "#669bbc", "#9a8c98", "#bc4749")
DPI: Final = 150
_BARS_A_COLUMN: Final = 40
LIVE_CURVES: Final = ("cpu_share", "p99_ms", "talking_kib_a_session")


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw each scenario that was run; gives the files."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra, and slow to import

    mpl.use("Agg")
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "x"})
    made = []
    for scenario in SCENARIOS.values():
        if not results.of(scenario.name):
            continue
        paint: Callable[[Results, Scenario], Any] = _curves if scenario.name == "live" else _bars
        figure = paint(results, scenario)
        if figure is not None:
            made += _save(figure, folder / scenario.name)
    return made


def _save(figure: Any, stem: Path) -> list[Path]:
    import matplotlib.pyplot as plt  # noqa: PLC0415

    stem.parent.mkdir(parents=True, exist_ok=True)
    files = [stem.with_suffix(".png"), stem.with_suffix(".svg")]
    figure.savefig(files[0], dpi=DPI)
    figure.savefig(files[1], metadata={"Date": None})
    plt.close(figure)
    return files


def _bars(results: Results, scenario: Scenario) -> Any:
    """Draw the first figure of each load as bars, best first."""
    import matplotlib.pyplot as plt  # noqa: PLC0415

    metric = scenario.metrics[0]
    groups = [(name, _of_all(results, scenario.name, name, metric)) for name in _loads(results, scenario)]
    groups = [(name, found) for name, found in groups if found]  # Words are no bars.
    if not groups:
        return None
    most = max(len(found) for _, found in groups)
    size = (5.2 * len(groups) + 1.5, 1.4 + 0.32 * most)
    figure, panels = plt.subplots(1, len(groups), figsize=size, squeeze=False, layout="constrained")
    for panel, (name, found) in zip(panels[0], groups, strict=True):
        _panel(panel, found, metric, results.about.get("titles", {}))
        panel.set_title(name or None, loc="left", fontsize=9)
    figure.suptitle(
        f"{scenario.title}: {metric.title}" + (f", {metric.unit}" if metric.unit else ""), x=0.01, ha="left"
    )
    return figure


def _panel(panel: Any, found: Mapping[str, Spread], metric: Metric, titles: Mapping[str, str]) -> None:
    names = sorted(found, key=lambda name: found[name].median, reverse=not metric.more_is_better)
    medians = [found[name].median * metric.scale for name in names]
    spreads = [
        [(found[name].median - found[name].least) * metric.scale for name in names],
        [(found[name].most - found[name].median) * metric.scale for name in names],
    ]
    panel.barh(
        names, medians, xerr=spreads, color=[colour(name) for name in names], error_kw={"lw": 0.8, "ecolor": "#333"}
    )
    panel.set_yticks(range(len(names)), [titles.get(name, name) for name in names])
    positive = [value for value in medians if value > 0]
    if positive and max(positive) > 50 * min(positive) and len(positive) == len(medians):
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for at, value in enumerate(medians):
        edge = value + spreads[1][at]
        panel.annotate(
            _label(value, metric),
            (max(edge, 0), at),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    panel.margins(x=0.18)
    panel.tick_params(axis="y", length=0)


def _label(value: float, metric: Metric) -> str:
    return f"{value:,.{metric.digits}f}"


def _curves(results: Results, scenario: Scenario) -> Any:
    """Draw figures over the number of sessions, without those over TLS."""
    import matplotlib.pyplot as plt  # noqa: PLC0415
    from matplotlib.ticker import LogLocator  # noqa: PLC0415

    metrics = [metric for metric in scenario.metrics if metric.key in LIVE_CURVES]
    figure, panels = plt.subplots(1, len(metrics), figsize=(4.6 * len(metrics), 4.6), layout="constrained")
    titles, handles = results.about.get("titles", {}), {}
    loads = {variant.name: variant.load["sessions"] for variant in scenario.variants if not variant.tls}
    for panel, metric in zip(panels, metrics, strict=True):
        for place, name in enumerate(results.contenders(scenario.name)):
            points = [
                (count, spread(results, Where(scenario.name, load, name, metric.key))) for load, count in loads.items()
            ]
            kept = [(count, found.median * metric.scale) for count, found in points if found and found.median > 0]
            if kept:
                handles[name] = _curve(panel, kept, name, place)
        panel.set(xscale="log", yscale="log", xlabel="sessions", title=f"{metric.title}, {metric.unit}")
        panel.set_xticks(list(loads.values()), [f"{count:,}" for count in loads.values()])
        panel.minorticks_off()
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        panel.grid(visible=True, which="major", color="#ddd", lw=0.6)
    figure.legend(
        handles.values(),
        [titles.get(name, name) for name in handles],
        loc="outside lower center",
        ncols=4,
        fontsize=8,
        frameon=False,
    )
    return figure


def _curve(panel: Any, points: Sequence[tuple[int, float]], name: str, place: int) -> Any:
    ours = name.startswith(ENGINE)
    styles = {"engine": "-", "engine-100ms": "--", "engine-20ms": ":"}
    return panel.plot(
        *zip(*points, strict=True),
        styles.get(name, "-." if ours else "-"),
        color=colour(name) if ours or name == SEED else _PALETTE[place % len(_PALETTE)],
        marker="o",
        markersize=3.5,
        lw=2.0 if ours else 1.2,
    )[0]


def _loads(results: Results, scenario: Scenario) -> list[str]:
    done = {run.variant for run in results.of(scenario.name)}
    return [variant.name for variant in scenario.variants if variant.name in done]


def _of_all(results: Results, scenario: str, variant: str, metric: Metric) -> dict[str, Spread]:
    found = {name: spread(results, Where(scenario, variant, name, metric.key)) for name in results.contenders(scenario)}
    return {name: value for name, value in found.items() if value is not None}


def colour(name: str) -> str:
    """Ours stands out, and so does what all is compared with."""
    if name.startswith(ENGINE):
        return OURS_COLOUR
    return SEED_COLOUR if name.startswith("seed") else OTHERS_COLOUR
