"""The results as Markdown: one page that documentation can include."""

from collections.abc import Mapping, Sequence

from benchmarks.harness import wanted
from benchmarks.harness.contenders import SEED
from benchmarks.harness.records import Results, Run, measured
from benchmarks.harness.scenario import Metric, Scenario
from benchmarks.harness.scenarios import SCENARIOS
from benchmarks.harness.summary import Spread, Where, ratio, spread

Titles = Mapping[str, str]


def markdown(results: Results) -> str:
    """Write the page: what was asked for, then a table for each scenario."""
    titles: Titles = results.about.get("titles", {})
    parts = [_head(results)]
    if rows := wanted.rows(results):
        parts.append("## Wanted and measured\n\n" + table(["", "at most", "measured", "holds"], rows))
    parts += [section(results, scenario, titles) for scenario in SCENARIOS.values() if results.of(scenario.name)]
    return "\n\n".join(parts) + "\n"


def section(results: Results, scenario: Scenario, titles: Titles) -> str:
    """Write a scenario's tables: by metric where it has one load, else one for each load."""
    parts = [f"## {scenario.title}\n\n{scenario.told[0].upper()}{scenario.told[1:]}."]
    done = {run.variant for run in results.of(scenario.name)}
    for variant in scenario.variants:
        if variant.name in done:
            name = f"### {variant.name[0].upper()}{variant.name[1:]}\n\n" if variant.name else ""
            parts.append(name + _of_variant(results, scenario, variant.name, titles))
    if notes := _notes(results, scenario, titles):
        parts.append(notes)
    return "\n\n".join(parts)


def _of_variant(results: Results, scenario: Scenario, variant: str, titles: Titles) -> str:
    head = ["", *(f"{metric.title}{f' ({metric.unit})' if metric.unit else ''}" for metric in scenario.metrics)]
    rows = []
    for contender in results.contenders(scenario.name):
        runs = results.of(scenario.name, variant, contender)
        if not runs:
            continue
        name = titles.get(contender, contender)
        if not measured(runs):
            rows.append([name, _why(runs[-1]), *[""] * (len(head) - 2)])
            continue
        rows.append([name, *(cell(results, scenario.name, variant, contender, metric) for metric in scenario.metrics)])
    return table(head, rows)


def cell(results: Results, scenario: str, variant: str, contender: str, metric: Metric) -> str:
    """Write a figure: its median, its least and most, and the ratio to the seed's."""
    runs = measured(results.of(scenario, variant, contender))
    kept = [run.figures.get(metric.key) for run in runs]
    if all(isinstance(value, (bool, str, type(None))) for value in kept):
        return _words(kept)
    where = Where(scenario, variant, contender, metric.key)
    found = spread(results, where)
    if found is None:
        return "-"
    to_seed = ratio(results, where, SEED) if metric.ratio else None
    return shown(found, metric) + (f" · {ratio_shown(to_seed)}" if to_seed else "")


def shown(found: Spread, metric: Metric) -> str:
    """Write a median with its spread, where there is one."""
    median, least, most = (
        number(value * metric.scale, metric.digits) for value in (found.median, found.least, found.most)
    )
    return median if least == most else f"{median} ({least} to {most})"


def ratio_shown(found: Spread) -> str:
    """Write a ratio to the seed."""
    return f"x{number(found.median, 3 if found.median < 0.1 else 2)}"


def number(value: float, digits: int) -> str:
    """Write a number, thousands apart."""
    if abs(value) < 10**-digits / 2:
        value = 0.0
    return f"{value:,.{digits}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(value).replace("|", "\\|") for value in line) + " |" for line in lines)


def _words(kept: Sequence[object]) -> str:
    said = ("-" if value is None else ("no", "yes")[value] if isinstance(value, bool) else str(value) for value in kept)
    return ", ".join(dict.fromkeys(said))


def _why(run: Run) -> str:
    return f"*{run.outcome}*: {run.words}"


def _notes(results: Results, scenario: Scenario, titles: Titles) -> str:
    """Say which runs failed beside others that did not, and where the load server was the limit."""
    lines = []
    for run in results.of(scenario.name):
        where = titles.get(run.contender, run.contender) + (f", {run.variant}" if run.variant else "")
        beside = measured(results.of(scenario.name, run.variant, run.contender))
        if run.outcome != "measured" and beside:
            lines.append(f"- {where}, run {run.round + 1}: {_why(run)}")
        elif run.limit:
            lines.append(f"- {where}, run {run.round + 1}: the load server was the limit: {run.limit}")
        elif broken := run.figures.get("broken"):
            lines.append(f"- {where}, run {run.round + 1}: sessions broke: {broken[0]}")
    return "\n".join(dict.fromkeys(lines))


def _head(results: Results) -> str:
    about = results.about
    machine = about.get("machine", {})
    made = f"{about.get('began', '?')} at commit {about.get('commit', '?')} by `{about.get('command', '?')}`"
    on = (
        f"{machine.get('cores')} cores of {machine.get('cpu')}, Python {machine.get('python')}, {machine.get('system')}"
    )
    load = ", ".join(str(value) for value in machine.get("load_average", ()))
    return (
        f"Measured on {made}: {on}; clients and load server each on a core of its own; load average before it "
        f"{load or 'unknown'}. Each figure is the median of {about.get('rounds')} interleaved runs, with the least and "
        "the most; after the dot, as x0.45, the median of its ratios to the seed's, run by run. CPU is that of the "
        "client's process."
    )
