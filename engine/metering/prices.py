"""Price tables: what a model's tokens cost, from our dated table or the user's own."""

import importlib
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

import attrs

from engine.errors import ConfigError

_SNAPSHOT: Final = re.compile(r"-\d{4}-\d{2}-\d{2}$")
"""What a dated snapshot's name ends in: `gpt-realtime-2025-08-28` costs what `gpt-realtime` does."""


def _price(given: Any) -> Decimal | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, (int, float, str, Decimal)):
        raise ConfigError("prices", given, "a number, 0 or more")
    try:
        price = Decimal(str(given))
    except ArithmeticError as error:
        raise ConfigError("prices", given, "a number, 0 or more") from error
    if not price.is_finite() or price < 0:
        raise ConfigError("prices", given, "a number, 0 or more")
    return price


@attrs.frozen(kw_only=True)
class ModelPrices:
    """What one model costs: per million tokens, or per minute. None is "not known", 0 is free.

    Attributes:
        text_in: Text that goes in, not cached.
        cached_text_in: Text from the cache.
        audio_in: Audio that goes in, not cached.
        cached_audio_in: Audio from the cache.
        image_in: Images that go in, not cached.
        cached_image_in: Images from the cache.
        text_out: Text that comes out.
        audio_out: Audio that comes out.
        audio_minute: A minute of audio, of models that count by time.
        as_of: The day on which this was so.
        source: Who said so.

    Raises:
        ConfigError: A price is no number, or less than 0.
    """

    text_in: Decimal | None = attrs.field(default=None, converter=_price)
    cached_text_in: Decimal | None = attrs.field(default=None, converter=_price)
    audio_in: Decimal | None = attrs.field(default=None, converter=_price)
    cached_audio_in: Decimal | None = attrs.field(default=None, converter=_price)
    image_in: Decimal | None = attrs.field(default=None, converter=_price)
    cached_image_in: Decimal | None = attrs.field(default=None, converter=_price)
    text_out: Decimal | None = attrs.field(default=None, converter=_price)
    audio_out: Decimal | None = attrs.field(default=None, converter=_price)
    audio_minute: Decimal | None = attrs.field(default=None, converter=_price)
    as_of: date | None = None
    source: str | None = None


@attrs.frozen
class Prices:
    """A table of prices.

    Attributes:
        models: By model.
        currency: What they are in.
    """

    models: Mapping[str, ModelPrices] = attrs.field(hash=False)
    currency: str = "USD"

    def of(self, model: str | None) -> ModelPrices | None:
        """Find a model's prices, by its name or that of which it is a dated snapshot; None where it has none."""
        if model is None:
            return None
        exact = self.models.get(model)
        return exact if exact is not None else self.models.get(_SNAPSHOT.sub("", model))

    def with_models(self, models: Mapping[str, ModelPrices | Mapping[str, Any]]) -> "Prices":
        """Give this table with other models, or with other prices for the same.

        Raises:
            ConfigError: A price is no number, less than 0, or of no known kind.
        """
        return attrs.evolve(self, models={**self.models, **{name: _row(name, given) for name, given in models.items()}})

    @classmethod
    def from_mapping(cls, models: Mapping[str, ModelPrices | Mapping[str, Any]], currency: str = "USD") -> "Prices":
        """Make a table: `{"my-model": {"text_in": 4, "audio_out": 64}}`.

        Raises:
            ConfigError: A price is no number, less than 0, or of no known kind.
        """
        return cls({}, currency).with_models(models)

    @classmethod
    def load(cls, path: str | Path) -> "Prices":
        """Read a table from a TOML file in the shape of ours (`engine/metering/prices.toml`).

        Raises:
            ConfigError: It is no such table.
            OSError: It can't be read.
        """
        return cls._parse(Path(path).read_text("utf-8"), str(path))

    @classmethod
    def builtin(cls) -> "Prices":
        """Our own table: OpenAI's published prices on the day that each row tells."""
        return _builtin()

    @classmethod
    def _parse(cls, text: str, name: str) -> "Prices":
        tomllib = importlib.import_module("tomllib")  # Late: few programs ask what a session cost.
        try:
            # As written: 0.1 shall be a tenth.
            table = tomllib.loads(text, parse_float=Decimal)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError("prices", name, f"a TOML file ({error})") from error
        models = table.get("models")
        if not isinstance(models, dict):
            raise ConfigError("prices", name, "a table with [models.NAME] sections")
        return cls.from_mapping(models, str(table.get("currency", "USD")))


def _row(name: str, given: Any) -> ModelPrices:
    if isinstance(given, ModelPrices):
        return given
    kinds = [field.name for field in attrs.fields(ModelPrices)]
    unknown = sorted(set(given) - set(kinds)) if isinstance(given, Mapping) else [str(type(given).__name__)]
    if unknown:
        raise ConfigError(f"prices[{name!r}]", unknown, f"a mapping of {', '.join(kinds)}")
    return ModelPrices(**given)


@cache
def _builtin() -> Prices:
    return Prices.load(Path(__file__).with_name("prices.toml"))
