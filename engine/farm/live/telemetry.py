"""A run's figures for OpenTelemetry, where the program has set it up; nothing at all elsewhere."""

import importlib
import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from engine.farm.live.exported import EXPORTED, Kind, Labels, trends
from engine.farm.metrics import METRICS
from engine.farm.snapshot import RunSnapshot

logger = logging.getLogger(__name__)

_LATENCY: Final = "realtime.farm.latency"
_PERCENTILES: Final = (50, 95, 99)

_CONVENTIONS: Final = {"kind": "error.type"}
"""Labels for which the semantic conventions have a name."""

Points = Sequence[tuple[float, Labels]]


class RunTelemetry:
    """Gives the newest figures of a run to whoever reads metrics, in whatever thread.

    Args:
        api: The module `opentelemetry.metrics`.
        meter: Makes instruments.
    """

    def __init__(self, api: Any, meter: Any) -> None:
        self._api = api
        self._points: dict[str, Points] = {}
        makes: dict[Kind, Any] = {
            "gauge": meter.create_observable_gauge,
            "updown": meter.create_observable_up_down_counter,
            "counter": meter.create_observable_counter,
        }
        for name, exported in EXPORTED.items():
            makes[exported.kind](name, [self._reader(name)], unit=exported.unit, description=exported.about)
        about = "Percentiles of the run's latencies, lately."
        makes["gauge"](_LATENCY, [self._reader(_LATENCY)], unit="s", description=about)

    def show(self, snapshot: RunSnapshot) -> None:
        """Take a run as it stands. The figures are read here: the reader's thread never touches the run's own."""
        run = {"realtime.farm.run": snapshot.run_id, "realtime.farm.plan": snapshot.name}
        points = {name: _labelled(exported.read(snapshot), run) for name, exported in EXPORTED.items()}
        points[_LATENCY] = _labelled(_latencies(snapshot), run)
        self._points = points

    def close(self) -> None:
        """Tell nothing more. Where the program ends soon, leave it open: the last figures are read at its end."""
        self._points = {}

    def _reader(self, name: str) -> Callable[[Any], Iterable[Any]]:
        return lambda _: [self._api.Observation(value, labels) for value, labels in self._points.get(name, ())]


def open_run_telemetry() -> RunTelemetry | None:
    """Make a run's telemetry, where the program has set a meter provider up.

    Who sets OpenTelemetry up has imported it. So where nobody did, this imports nothing either.
    """
    if "opentelemetry.metrics" not in sys.modules:
        return None
    try:
        api = importlib.import_module("opentelemetry.metrics")
        provider = api.get_meter_provider()
        if type(provider).__module__.startswith("opentelemetry.metrics"):
            return None
        version = importlib.import_module("importlib.metadata").version("realtime-engine")
        return RunTelemetry(api, provider.get_meter("realtime-engine.farm", version))
    except Exception as error:  # noqa: BLE001 - a provider may raise anything, and must not keep a run from beginning
        logger.warning("telemetry of the run is off: %s", type(error).__name__)
        return None


def _labelled(points: Iterable[tuple[float, Labels]], run: Labels) -> Points:
    return [(value, {**run, **{_named(name): label for name, label in labels.items()}}) for value, labels in points]


def _named(label: str) -> str:
    return _CONVENTIONS.get(label, f"realtime.farm.{label}")


def _latencies(snapshot: RunSnapshot) -> Iterable[tuple[float, Labels]]:
    for name in trends():
        if METRICS[name].unit != "ms":
            continue
        for percent in _PERCENTILES:
            value = snapshot.recent.percentile(name, percent)
            if value is not None:
                yield value / 1000, {"metric": name, "percentile": f"p{percent}"}
