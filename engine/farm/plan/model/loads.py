"""How many sessions at a time, or starts a second: the shape of load."""

from collections.abc import Mapping
from typing import Final, Literal

import attrs

from engine.errors import ConfigError
from engine.farm.plan import checks
from engine.farm.plan.checks import items, number, one_of, optional, to_tuple, whole


@attrs.frozen(kw_only=True)
class Stage:
    """A part of a ramp: reach a number (of sessions, or of starts a second) in so long, in a straight line."""

    duration_s: float = attrs.field(validator=number("load.stages.", 0, checks.DURATION_MAX_S, "s"))
    to: float = attrs.field(validator=number("load.stages.", 0, checks.SESSIONS_MAX, "sessions, or starts a second"))


_LOAD_FIELDS: Final = ("sessions", "rate_per_s", "duration_s", "stages")

_OF_SHAPE: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "once": ((), ()),
    "constant": (("sessions", "duration_s"), ("sessions",)),
    "ramp": (("stages",), ("stages",)),
    "arrival": (("rate_per_s", "duration_s", "stages"), ("rate_per_s", "stages")),
}
"""What each shape takes, and of what it needs one."""


def _not_of_shape(name: str, shape: str, takes: tuple[str, ...]) -> str:
    theirs = " or ".join(repr(one) for one, (fields, _) in _OF_SHAPE.items() if name in fields)
    with_it = f"; shape = {shape!r} takes {', '.join(takes)}" if takes else f"; shape = {shape!r} takes none"
    return f"it with shape = {theirs}{with_it}"


@attrs.frozen(kw_only=True)
class Load:
    """The shape of load.

    Attributes:
        shape: `once`: each job once, as many at a time as the caps allow. `constant`: so many sessions at a time.
            `ramp`: sessions at a time along `stages`. `arrival`: starts a second, at `rate_per_s` or along `stages`,
            whether or not earlier sessions have ended. All but `once` begin the jobs again when they are through, until
            `duration_s` (or the stages) are over; without one they end with the jobs.
        sessions: At a time, of `constant`.
        rate_per_s: Of `arrival`.
        duration_s: Of `constant` and `arrival`.
        stages: Of `ramp`; of `arrival` in place of `rate_per_s`.
    """

    shape: Literal["once", "constant", "ramp", "arrival"] = attrs.field(
        default="once", validator=one_of("load.", "once", "constant", "ramp", "arrival")
    )
    sessions: int | None = attrs.field(
        default=None, validator=optional(whole("load.", 1, checks.SESSIONS_MAX, "sessions at a time"))
    )
    rate_per_s: float | None = attrs.field(
        default=None, validator=optional(number("load.", 0.001, checks.SESSIONS_MAX, "starts a second"))
    )
    duration_s: float | None = attrs.field(
        default=None, validator=optional(number("load.", 0.1, checks.DURATION_MAX_S, "s"))
    )
    stages: tuple[Stage, ...] = attrs.field(
        default=(), converter=to_tuple, validator=items("load.", Stage, "stages, as { duration_s = 60, to = 100 }")
    )

    def __attrs_post_init__(self) -> None:
        takes, needs = _OF_SHAPE[self.shape]
        given = [name for name in _LOAD_FIELDS if getattr(self, name) not in (None, ())]
        for name in given:
            if name not in takes:
                raise ConfigError(f"load.{name}", getattr(self, name), _not_of_shape(name, self.shape, takes))
        if needs and not set(needs) & set(given):
            words = " or ".join(needs)
            message = f"load.shape = {self.shape!r} needs {words}, which says how many | add it to [load]"
            raise ConfigError("load.shape", self.shape, f"with {words}", message=message)
        if "stages" in given and (extra := [name for name in given if name != "stages"]):
            raise ConfigError(f"load.{extra[0]}", getattr(self, extra[0]), "none beside stages, which say it")
        if self.stages and not sum(stage.duration_s for stage in self.stages) > 0:
            raise ConfigError("load.stages", "0 s", "stages that last longer than 0 s together")
        if self.stages and not any(stage.to > 0 for stage in self.stages):
            raise ConfigError("load.stages", "to = 0", "a stage that goes above 0")
