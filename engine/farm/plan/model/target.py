"""Whom the sessions of a plan talk to."""

from typing import Final, Literal

import attrs

from engine.errors import ConfigError
from engine.farm.plan import forms
from engine.farm.plan.checks import mapping, one_of, optional, text, whole, written_as
from engine.farm.plan.model.values import Json

SERVERS_MAX: Final = 256
"""Processes that simulate the service, on one machine."""

_OF_SIMULATOR: Final = ("voice", "script", "servers", "pace")


@attrs.frozen(kw_only=True)
class Target:
    """Whom the sessions talk to.

    Attributes:
        kind: `simulator` (started with the run, on this machine), `service` (OpenAI's), or `url`.
        url: Base URL, of kind `url`.
        voice: Of the simulator: `tone`, or `local`, which understands English and speaks it.
        script: Of the simulator: path of a script of its answers.
        servers: Of the simulator: how many processes serve; None for one a worker, at most one a core.
        pace: Of the simulator: settings of `engine.simulator.Pace`, by name.
        key_env: Environment variable that holds the key; the simulator takes any.
    """

    kind: Literal["simulator", "service", "url"] = attrs.field(
        default="simulator", validator=one_of("target.", "simulator", "service", "url")
    )
    url: str | None = attrs.field(default=None, validator=optional(text("target.", empty=False)))
    voice: Literal["tone", "local"] = attrs.field(default="tone", validator=one_of("target.", "tone", "local"))
    script: str | None = attrs.field(default=None, validator=optional(text("target.", empty=False)))
    servers: int | None = attrs.field(default=None, validator=optional(whole("target.", 1, SERVERS_MAX, "processes")))
    pace: Json = attrs.field(factory=dict, validator=mapping("target."))
    key_env: str = attrs.field(
        default="OPENAI_API_KEY", validator=written_as("target.", forms.variable, forms.VARIABLE)
    )

    def __attrs_post_init__(self) -> None:
        if (self.kind == "url") != (self.url is not None):
            raise ConfigError("target.url", self.url, "a URL with kind = 'url', and none with another kind")
        if self.url is not None:
            forms.check_url(self.url)
        for name in _OF_SIMULATOR if self.kind != "simulator" else ():
            if getattr(self, name) != getattr(attrs.fields(Target), name).default and getattr(self, name):
                raise ConfigError(f"target.{name}", getattr(self, name), "only with kind = 'simulator'")
