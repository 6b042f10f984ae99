"""What stands in a plan's texts: a job's values, and in the place of numbers too."""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from engine.errors import ConfigError
from engine.farm.plan import checks

Json = Mapping[str, Any]
Values = Mapping[str, Any]
"""What stands for `{name}` in a scenario's texts: a row of its data, and one choice of its matrix."""

NUMBERS: Final = ("interrupt_after_ms", "wait_s", "silence_ms", "at_most", "first_audio_within_ms")
"""Fields that `from_values` may tell."""


def of_numbers(_: Any, __: "attrs.Attribute[Any]", value: Any) -> None:
    """Allow texts with a name, by fields that are numbers."""
    for name, told in value.items() if isinstance(value, Mapping) else (("", None),):
        if name not in NUMBERS or not isinstance(told, str) or not checks.waits(told):
            raise ConfigError("from_values", value, "texts with a {name} by field, of " + ", ".join(NUMBERS))
