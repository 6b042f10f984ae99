"""What a scenario is: a driver, its loads, and the figures that its tables show."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

Figures = dict[str, Any]


@attrs.frozen
class Metric:
    """One figure of a run.

    Attributes:
        key: Its name in the driver's figures.
        title: In tables.
        unit: Of what is shown.
        scale: The figure times this is shown in that unit.
        digits: After the point.
        ratio: Whether its ratio to the seed is shown.
        more_is_better: As of events a second.
    """

    key: str
    title: str
    unit: str = ""
    scale: float = 1.0
    digits: int = 1
    ratio: bool = False
    more_is_better: bool = False


@attrs.frozen(kw_only=True, eq=False)
class Variant:
    """One load of a scenario.

    Attributes:
        name: In tables and results; "" where there is one only.
        load: What the driver reads.
        bound_s: Then the run is ended and is a row that says so.
        quick: Whether `--quick` runs it.
        tls: Over wss.
        needs: Key of an earlier variant that must have kept real time, else this one is not tried.
        quick_load: What `--quick` changes in the load.
    """

    name: str = ""
    load: Mapping[str, Any]
    bound_s: float
    quick: bool = True
    tls: bool = False
    needs: str | None = None
    quick_load: Mapping[str, Any] = attrs.field(factory=dict)


def _as_it_is(figures: Figures, _: Figures) -> Figures:
    return figures


@attrs.frozen(kw_only=True, eq=False)
class Scenario:
    """One scenario.

    Attributes:
        name: On the command line.
        title: In tables.
        told: What is done, in a sentence.
        driver: Its module in `drivers/scenarios`; None for the footprint, which needs no server.
        variants: Its loads, lightest first.
        metrics: What its tables show; the first is plotted.
        settle: Makes the figures of a run from what the driver and the server report.
    """

    name: str
    title: str
    told: str
    driver: str | None
    variants: Sequence[Variant]
    metrics: Sequence[Metric]
    settle: Callable[[Figures, Figures], Figures] = _as_it_is
