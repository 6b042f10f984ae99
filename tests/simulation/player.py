"""What a user has heard: pieces of speech that play one after the other, each as soon as it is there."""

import attrs


@attrs.define
class _Piece:
    item_id: str
    starts_s: float
    ms: float


class Player:
    """Plays without a gap what it is given, until it is cut."""

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []
        self._ends_s = 0.0

    def give(self, at_s: float, item_id: str, ms: float) -> None:
        """Play a piece after all that it has."""
        starts_s = max(at_s, self._ends_s)
        self._ends_s = starts_s + ms / 1000
        self._pieces.append(_Piece(item_id, starts_s, ms))

    def cut(self, at_s: float) -> list[tuple[str, float]]:
        """Fall silent; give each item that was not heard to its end, and how many ms of it were."""
        heard: dict[str, float] = {}
        cut: dict[str, None] = {}
        for piece in self._pieces:
            played_ms = min(piece.ms, max(0.0, (at_s - piece.starts_s) * 1000))
            heard[piece.item_id] = heard.get(piece.item_id, 0.0) + played_ms
            if played_ms < piece.ms - 1.0:
                cut[piece.item_id] = None
        self._pieces.clear()
        self._ends_s = at_s
        return [(item_id, heard[item_id]) for item_id in cut]
