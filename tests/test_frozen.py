"""Objects of frozen classes that were filled while open are as those that were made the usual way."""

import attrs
import pytest

from engine.events import BidiAudioStreamEvent
from engine.frozen import unfrozen
from engine.wire.server import ResponseOutputAudioDelta


@pytest.mark.parametrize("cls", [BidiAudioStreamEvent, ResponseOutputAudioDelta])
def test_what_is_filled_and_frozen_is_as_if_it_had_been_made_so(cls):
    usual = cls(**{field.alias: f"its {field.name}" for field in attrs.fields(cls)})
    made = unfrozen(cls)()
    for field in attrs.fields(cls):
        setattr(made, field.name, f"its {field.name}")
    made.__class__ = cls
    assert type(made) is cls
    assert made == usual
    assert attrs.asdict(made) == attrs.asdict(usual)
    assert attrs.asdict(attrs.evolve(made)) == attrs.asdict(usual)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(made, attrs.fields(cls)[0].name, "another")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        delattr(made, attrs.fields(cls)[0].name)


def test_what_is_open_can_be_changed_and_has_nothing_else():
    made = unfrozen(ResponseOutputAudioDelta)()
    made.delta = "a"
    made.delta = "b"
    assert made.delta == "b"
    with pytest.raises(AttributeError):
        made.other = 1


def test_only_an_attrs_class_with_slots_has_such_objects():
    class Plain:
        __slots__ = ()

    for cls in (Plain, attrs.frozen(slots=False)(type("Loose", (), {}))):
        with pytest.raises(AssertionError, match="no attrs class with slots"):
            unfrozen(cls)
