"""Which of too many values are kept: as by lot, but the same ones each time and for the same numbers."""

from typing import Final

_MASK: Final = 2**64 - 1


def kept(number: int, one_of: int) -> bool:
    """Tell whether a number is of the about one in so many that are kept.

    Every n-th would not do: jobs and turns come in the rhythm of the data set, the matrix and the scenario's turns, so
    that every second value may be of one voice, or of first turns alone.
    """
    if one_of <= 1:
        return True
    # The finalizer of SplitMix64: neighbours have nothing in common.
    mixed = (number + 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return (mixed ^ (mixed >> 31)) % one_of == 0
