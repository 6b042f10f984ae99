"""Plans, grants and results as JSON and back: for pipes, the ledger and files."""

from typing import Any, Final, TypeVar

from cattrs.preconf.orjson import OrjsonConverter, make_converter
from cattrs.strategies import configure_tagged_union

from engine.farm.plan.model import Expectation, Step, ToolPlan

T = TypeVar("T")


def _converter() -> OrjsonConverter:
    converter = make_converter(omit_if_default=True)
    for union in (Step, ToolPlan, Expectation):
        # Their classes can't be told apart by their fields once defaults are left out.
        configure_tagged_union(union, converter, tag_name="is")
    return converter


_CONVERTER: Final = _converter()


def to_json(record: Any) -> bytes:
    """Write a frozen record of `engine.farm`."""
    return _CONVERTER.dumps(record)


def from_json(data: bytes | str, kind: type[T]) -> T:
    """Read what `to_json` wrote."""
    return _CONVERTER.loads(data, kind)
