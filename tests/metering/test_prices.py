"""Price tables: ours is whole and dated, the user's own is taken as it is or refused, and nothing is guessed."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from engine.errors import ConfigError
from engine.metering.prices import ModelPrices, Prices

BUILTIN = Prices.builtin()
KINDS = [field.name for field in attrs.fields(ModelPrices) if field.name not in {"as_of", "source"}]


@pytest.mark.parametrize("model", sorted(BUILTIN.models))
def test_each_row_of_our_table_has_prices_a_day_and_a_source(model: str):
    row = BUILTIN.models[model]

    assert isinstance(row.as_of, date)
    assert row.source
    prices = {kind: getattr(row, kind) for kind in KINDS if getattr(row, kind) is not None}
    assert prices
    assert all(isinstance(price, Decimal) and price > 0 for price in prices.values())
    for kind in ("text", "audio", "image"):
        cached = prices.get(f"cached_{kind}_in")
        assert cached is None or cached < prices[f"{kind}_in"]


@pytest.mark.parametrize("model", [name for name in sorted(BUILTIN.models) if name.startswith("gpt-realtime")])
def test_each_model_to_talk_with_has_every_price_that_a_talk_needs(model: str):
    row = BUILTIN.models[model]

    assert row.audio_minute is not None or all(
        getattr(row, kind) is not None for kind in KINDS if kind != "audio_minute"
    )


def test_a_dated_snapshot_costs_what_its_model_does_unless_it_has_a_row():
    assert BUILTIN.of("gpt-realtime-2025-08-28") is BUILTIN.models["gpt-realtime"]
    assert BUILTIN.of("gpt-4o-realtime-preview-2024-10-01").audio_in == 100
    assert BUILTIN.of("gpt-4o-realtime-preview-2024-12-17").audio_in == 40


@pytest.mark.parametrize(
    "model", [None, "", "my-deployment", "gpt-realtime-3", "gpt-realtime-mini-x", "gpt-4o-transcribe-x"]
)
def test_a_model_without_a_row_has_no_price(model: str | None):
    assert BUILTIN.of(model) is None


def test_a_table_of_ones_own(tmp_path: Path):
    path = tmp_path / "prices.toml"
    path.write_text('currency = "EUR"\n[models."my-deployment"]\ntext_in = 0.1\naudio_out = 64\nas_of = 2026-01-31\n')
    prices = Prices.load(path)

    assert prices.currency == "EUR"
    assert prices.of("my-deployment") == ModelPrices(
        text_in=Decimal("0.1"), audio_out=Decimal(64), as_of=date(2026, 1, 31)
    )
    assert prices.of("gpt-realtime") is None


def test_a_mapping_is_a_table_too_and_can_add_to_ours():
    row = ModelPrices(text_in=7)
    prices = BUILTIN.with_models({"my-deployment": {"text_in": "2.50"}, "gpt-realtime": row})

    assert prices.of("my-deployment").text_in == Decimal("2.5")
    assert prices.of("gpt-realtime") is row
    assert prices.of("gpt-realtime-mini") == BUILTIN.of("gpt-realtime-mini")
    assert BUILTIN.of("my-deployment") is None
    assert Prices.from_mapping({"free": {"text_in": 0}}).of("free").text_in == 0


@pytest.mark.parametrize("price", [-1, "cheap", float("nan"), "inf", True, [1]])
def test_what_is_no_price_is_refused(price: object):
    with pytest.raises(ConfigError, match="0 or more"):
        Prices.from_mapping({"model": {"text_in": price}})


@pytest.mark.parametrize("row", [{"text_inn": 1}, 5])
def test_a_row_of_unknown_kinds_is_refused_by_name(row: object):
    with pytest.raises(ConfigError, match="model"):
        Prices.from_mapping({"model": row})


@pytest.mark.parametrize("text", ["models = ", "[prices]\n", "models = 5\n"])
def test_a_file_that_is_no_table_is_refused_by_name(tmp_path: Path, text: str):
    path = tmp_path / "mine.toml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=r"mine\.toml"):
        Prices.load(path)
