"""How well the farm's cap of tokens a minute holds, and how much of it is had, in virtual time: `--help` tells how.

The policy is the real thing; sessions are moments on a line. Each tells what it took, response by response and up to a
second late, as a worker does. Wanted: no minute above the cap, and most of the cap had.

    python -m benchmarks.farm_minute            # the table of docs/design/farm-policy.md
"""

import argparse
import heapq
import random
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Final

import attrs

from engine.farm.job import Result
from engine.farm.plan.model import Caps, Load, Retries
from engine.farm.policy import Policy, Rules

TOKENS: Final = 1000
"""Of a session, on average."""

LATE_S: Final = 1.0
"""After at most so long it is told what was taken."""

MINUTE_S: Final = 60.0
MANY: Final = 10**6


@attrs.frozen(kw_only=True)
class Kind:
    """A kind of session.

    Attributes:
        what: In words.
        life_s: On average; from a tenth of a second to twice as long, but where all are alike.
        responses: How many, from and to.
        grows: Do later responses take more, and longer sessions?
        alike: Do all live as long and take as much?
        at_end: Is all told at the end only?
        expected: What the plan expects of one, as a share of what it takes.
    """

    what: str
    life_s: float
    responses: tuple[int, int] = (2, 6)
    grows: bool = True
    alike: bool = False
    at_end: bool = False
    expected: float = 1.0


@attrs.frozen
class Row:
    """What came of some runs.

    Attributes:
        fullest: Of all minutes, as a share of the cap.
        had: How much of the cap was used, after as long as three lives, but two minutes at the least.
    """

    fullest: float
    had: float


EVEN: Final = Kind(
    what="20 s, tokens spread evenly, lives and tokens by chance", life_s=20.0, responses=(20, 20), grows=False
)
GROWS: Final = Kind(what="20 s, 2 to 6 responses, grows", life_s=20.0)
LONG: Final = Kind(what="150 s, grows", life_s=150.0)
TABLE: Final = (
    (EVEN, 60),
    (EVEN, 600),
    (GROWS, 60),
    (GROWS, 600),
    (attrs.evolve(GROWS, what="60 s, grows", life_s=60.0), 60),
    (LONG, 60),
    (LONG, 600),
    (Kind(what="150 s, all alike", life_s=150.0, alike=True, grows=False, responses=(20, 20)), 600),
    (attrs.evolve(GROWS, what="20 s, grows, takes twice what the plan expects", expected=0.5), 600),
    (attrs.evolve(GROWS, what="20 s, grows, takes four times what the plan expects", expected=0.25), 600),
    (attrs.evolve(LONG, what="150 s, grows, takes four times what the plan expects", expected=0.25), 600),
    (Kind(what="20 s, all alike, tells only at its end", life_s=20.0, alike=True, at_end=True, responses=(1, 1)), 60),
)


@attrs.define
class Model:
    """A run: sessions start when the policy lets them, take what their kind takes, and tell it.

    Attributes:
        uses: When how many tokens were used.
    """

    kind: Kind
    policy: Policy
    draw: random.Random
    uses: list[tuple[float, float]] = attrs.field(factory=list)
    _coming: list[tuple[float, int, float, float, float | None]] = attrs.field(factory=list)
    _order: Iterator[int] = attrs.field(factory=count)

    def run(self, end_s: float) -> None:
        """Let time pass, until `end_s`."""
        now = 0.0
        while now <= end_s:
            for _ in self.policy.admit(now, MANY):
                self._begin(now)
            asks_at = self.policy.look_again_at(now)
            moments = [asks_at] if asks_at is not None else []
            moments += [self._coming[0][0]] if self._coming else []
            if self.policy.over or not moments:
                return
            now = min(moments)
            while self._coming and self._coming[0][0] <= now:
                self._tell(*heapq.heappop(self._coming))

    def _begin(self, now: float) -> None:
        kind, draw = self.kind, self.draw
        life_s = kind.life_s if kind.alike else draw.uniform(0.1, 2 * kind.life_s)
        scatter = 1.0 if kind.alike else draw.uniform(0.0, 2.0)
        tokens = TOKENS * (life_s / kind.life_s if kind.grows else scatter)
        many = draw.randint(*kind.responses)
        weights = [number + 1 if kind.grows else 1 for number in range(many)]
        for number, weight in enumerate(weights):
            at = now + life_s * (1.0 if kind.at_end else (number + draw.uniform(0.5, 1.0)) / many)
            part = tokens * weight / sum(weights)
            self.uses.append((at, part))
            if not kind.at_end:
                self._come(at + draw.uniform(0.0, LATE_S), now, part)
        self._come(now + life_s + LATE_S, now, tokens, life_s)

    def _come(self, at: float, began: float, tokens: float, life_s: float | None = None) -> None:
        heapq.heappush(self._coming, (at, next(self._order), began, tokens, life_s))

    def _tell(self, now: float, number: int, began: float, tokens: float, life_s: float | None) -> None:
        if life_s is None:
            self.policy.took("s", tokens, now, began=began)
            return
        result = Result(
            attempt_id="", job=number, scenario="s", status="passed", tokens=round(tokens), duration_ms=life_s * 1000
        )
        self.policy.ended(result, number, now, began=began, told=0 if self.kind.at_end else tokens)


def modelled(kind: Kind, sessions_per_min: int, seed: int, end_s: float) -> Row:
    """Run once, under a cap that so many sessions a minute would fill."""
    cap = float(TOKENS * sessions_per_min)
    rules = Rules(
        load=Load(shape="constant", sessions=MANY - 1, duration_s=end_s),
        caps=Caps(sessions=MANY, starts_per_s=max(100.0, sessions_per_min / 6), tokens_per_min=cap),
        retries=Retries(),
        weights={"s": 1.0},
        expected_tokens={"s": TOKENS * kind.expected},
        expected_life_s={"s": kind.life_s},
    )
    model = Model(kind, Policy(rules, {"s": None}, now=0.0), random.Random(seed))
    model.run(end_s)
    uses = sorted(use for use in model.uses if use[0] <= end_s)
    begin_s = max(120.0, 3 * kind.life_s)
    had = sum(tokens for at, tokens in uses if at >= begin_s) / (end_s - begin_s) * MINUTE_S
    return Row(fullest_minute(uses) / cap, had / cap)


def fullest_minute(uses: Sequence[tuple[float, float]]) -> float:
    """Give the most that was used in any minute; `uses` are in order."""
    most = within = 0.0
    first = 0
    for at, tokens in uses:
        within += tokens
        while uses[first][0] <= at - MINUTE_S:
            within -= uses[first][1]
            first += 1
        most = max(most, within)
    return most


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.farm_minute", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="of each row, with seeds of their own")
    parser.add_argument("--minutes", type=float, default=15.0)
    asked = parser.parse_args(arguments)
    print("| sessions | cap: sessions a minute | fullest minute | had |")
    print("|---|---|---|---|")
    for kind, per_min in TABLE:
        rows = [modelled(kind, per_min, seed, asked.minutes * MINUTE_S) for seed in range(asked.runs)]
        fullest, had = max(row.fullest for row in rows), sum(row.had for row in rows) / len(rows)
        print(f"| {kind.what} | {per_min} | {fullest:.2f} | {had:.0%} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
