"""Who is measured: our engine in its variants, and the peers of `benchmarks/peers.toml`."""

import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

FOLDER: Final = Path(__file__).resolve().parents[1]
PEERS_FILE: Final = FOLDER / "peers.toml"
ENGINE: Final = "engine"
SEED: Final = "seed"
FLOOR: Final = "floor_picows"


@attrs.frozen(kw_only=True, eq=False)
class Contender:
    """One library as it is driven.

    Attributes:
        name: In results and on the command line.
        title: In tables.
        driver: Its client: `engine`, a module in `drivers/peers`, or a file.
        requirements: What its virtual environment has; empty for what runs in this one, as ours.
        module: What an application imports, as `module` or `module:name`.
        options: Of its client; `loop`: another event loop than its driver's own.
        only: The scenarios that it takes part in; None for all.
        cannot: Scenarios that it has no means for, and why.
        venv: Name of its virtual environment, which others may share; its own name when None.
    """

    name: str
    title: str
    driver: str
    requirements: tuple[str, ...] = ()
    module: str | None = None
    options: Mapping[str, Any] = attrs.field(factory=dict)
    only: frozenset[str] | None = None
    cannot: Mapping[str, str] = attrs.field(factory=dict)
    venv: str | None = None

    @property
    def ours(self) -> bool:
        """Tell whether it is a variant of our engine."""
        return self.driver == ENGINE

    def plays(self, scenario: str) -> bool:
        """Tell whether it has rows there."""
        return self.only is None or scenario in self.only


def _ours(suffix: str, title: str, only: Collection[str] | None, **options: Any) -> Contender:
    return Contender(
        name=ENGINE + suffix,
        title=title,
        driver=ENGINE,
        module="engine:BidiOpenAIRealtimeModel",
        requirements=(),
        options=options,
        only=None if only is None else frozenset(only),
    )


OURS: Final = (
    _ours("", "engine", None, transport="auto"),
    _ours("-trio-websocket", "engine, trio-websocket", ("burst", "live"), transport="trio-websocket"),
    _ours("-asyncio", "engine on asyncio", ("burst", "live", "turn"), loop="asyncio"),
    _ours("-uvloop", "engine on uvloop", ("burst", "live", "turn"), loop="uvloop"),
    _ours("-20ms", "engine, 20 ms frames", ("live", "turn"), transport="auto", frame_ms=20),
    _ours("-100ms", "engine, 100 ms frames", ("live", "turn"), transport="auto", frame_ms=100),
)


def peers(file: Path = PEERS_FILE) -> tuple[Contender, ...]:
    """Read the peers, in the file's order."""
    told = tomllib.loads(file.read_text())
    common = told.pop("common", [])
    return tuple(
        Contender(
            name=name,
            title=peer["title"],
            driver=_driver(peer.get("driver", name), file),
            requirements=(*peer["requirements"], *common) if peer["requirements"] else (),
            module=peer.get("import"),
            options=peer.get("options", {}),
            cannot=peer.get("cannot", {}),
            only=frozenset(peer["only"]) if "only" in peer else None,
            venv=peer.get("venv"),
        )
        for name, peer in told.items()
    )


def _driver(told: str, file: Path) -> str:
    """A name in `drivers/peers`, or a file beside the list."""
    return str(file.resolve().parent / told) if told.endswith(".py") else told


def chosen(names: Sequence[str] | None, file: Path = PEERS_FILE) -> tuple[Contender, ...]:
    """Give the contenders named, ours and the seed among them in every case, for ratios need both.

    Raises:
        SystemExit: There is none of that name.
    """
    known = peers(file)
    if names is None:
        return OURS + known
    for name in names:
        if name not in {contender.name for contender in (*OURS, *known)}:
            raise SystemExit(f"no peer {name!r}; there are " + ", ".join(peer.name for peer in known))
    wanted = {ENGINE, SEED, *names}
    return tuple(one for one in OURS + known if one.name in wanted or (one.ours and ENGINE in names))
