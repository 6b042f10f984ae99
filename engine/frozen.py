"""Makes objects of frozen classes at the cost of plain ones: for the few that are made of each piece of speech."""

from typing import Any

import attrs


def unfrozen(cls: type) -> Any:
    """Give a class whose objects are laid out as those of a frozen attrs class, and can be filled.

    A frozen class sets each field by a call, which makes an object of nine fields cost 1.1 us. Filled while it is open,
    and then given its class, it costs 0.3 us:

        event = Open()
        event.text = text
        event.__class__ = Frozen

    All fields have to be set: those that have defaults, too.

    Args:
        cls: Made by `attrs.frozen`, with slots.
    """
    if not attrs.has(cls) or "__slots__" not in vars(cls):
        raise AssertionError(f"{cls.__name__} is no attrs class with slots")
    # Both, or CPython goes through Python's own lookup for either.
    plain = {name: getattr(object, name) for name in ("__init__", "__setattr__", "__delattr__")}
    return type(f"Open{cls.__name__}", cls.__bases__, {"__slots__": vars(cls)["__slots__"], **plain})
