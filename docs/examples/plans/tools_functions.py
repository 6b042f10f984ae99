"""Tools of the plan `tools.toml`."""

CLOSES_AT = 22


def is_open(hour: int) -> bool:
    """Tell whether pizza is baked at this hour.

    Args:
        hour: 0 to 23.
    """
    return hour < CLOSES_AT
