"""Kinds of options that several commands have."""

from typing import Annotated, Literal

from cyclopts import Parameter, validators

Switch = Annotated[bool, Parameter(negative="")]
"""Is given or left out; it has no `--no-…`."""

Voice = Literal["tone", "local"]
"""Of the simulator."""

Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65535))]
AtLeastOne = Annotated[int, Parameter(validator=validators.Number(gte=1))]
NotNegative = Annotated[float, Parameter(validator=validators.Number(gte=0))]
Positive = Annotated[float, Parameter(validator=validators.Number(gt=0))]
