"""Results beside earlier ones: the median of each figure of ours, and by how much it moved."""

from benchmarks.harness.contenders import ENGINE, FLOOR, SEED
from benchmarks.harness.records import Results
from benchmarks.harness.scenarios import SCENARIOS
from benchmarks.harness.summary import Where, ratio, spread
from benchmarks.harness.table import number, shown, table


def markdown(now: Results, before: Results) -> str:
    """Write a table of all that both have; ratios to the seed, or the floor, where both have one: machines differ."""
    rows = []
    for scenario in SCENARIOS.values():
        for variant in scenario.variants:
            for name in now.contenders(scenario.name):
                if name.startswith(ENGINE):
                    rows += _rows(now, before, scenario.name, variant.name, name)
    head = ["", "", "", "before", "now", "change", "change of the ratio to the seed or the floor"]
    about = before.about
    return f"## Beside {about.get('began', '?')}, commit {about.get('commit', '?')}\n\n" + table(head, rows) + "\n"


def _rows(now: Results, before: Results, scenario: str, variant: str, name: str) -> list[list[str]]:
    rows = []
    for metric in SCENARIOS[scenario].metrics:
        where = Where(scenario, variant, name, metric.key)
        old, new = (spread(results, where) for results in (before, now))
        if metric.ratio and old and new and old.median:
            place = scenario + (f", {variant}" if variant else "")
            change = f"x{number(new.median / old.median, 2)}"
            figures = [shown(old, metric), shown(new, metric), change, _change_of_ratio(now, before, where)]
            rows.append([place, name, metric.title, *figures])
    return rows


def _change_of_ratio(now: Results, before: Results, where: Where) -> str:
    for base in (SEED, FLOOR):
        old, new = (ratio(results, where, base) for results in (before, now))
        if old and new and old.median:
            return f"x{number(new.median / old.median, 2)}"
    return "-"
