"""How much of the conversation the model reads: the oldest items are left out once it grows past the limit."""

from collections.abc import Sequence
from typing import Any

import attrs

from engine.simulator.catalogue import CONTEXT_FULL, Refusal
from engine.simulator.conversation import Entry
from engine.simulator.usage import instruction_tokens, item_tokens

Json = dict[str, Any]


@attrs.define
class ContextWindow:
    """One conversation's window.

    Attributes:
        max_tokens: What fits, with instructions and tools.
        left_out: Ids of the items that the model does not read any more; they stay in the conversation.
    """

    max_tokens: int
    left_out: set[str] = attrs.field(factory=set)

    def fit(self, session: Json, entries: Sequence[Entry]) -> list[Entry]:
        """Leave out the oldest items where there are too many tokens, as the session's `truncation` says.

        Raises:
            Refusal: It says that none may be left out.
        """
        kept = [entry for entry in entries if entry.id not in self.left_out]
        room = self._room(session)
        have = sum(item_tokens(entry).total for entry in kept)
        if have <= room:
            return kept
        if session["truncation"] == "disabled":
            raise Refusal(CONTEXT_FULL, have=have, bound=room)
        target = room * self._ratio(session)
        while kept and have > target:
            oldest = kept.pop(0)
            have -= item_tokens(oldest).total
            self.left_out.add(oldest.id)
        return kept

    def _room(self, session: Json) -> int:
        room = self.max_tokens - instruction_tokens(session).total
        limits = session["truncation"].get("token_limits") if isinstance(session["truncation"], dict) else None
        asked = (limits or {}).get("post_instructions")
        return max(0, room if asked is None else min(room, asked))

    def _ratio(self, session: Json) -> float:
        truncation = session["truncation"]
        return float(truncation["retention_ratio"]) if isinstance(truncation, dict) else 1.0
