"""Imports point down: the table of `docs/design/`, and a check that every import in `engine` keeps to it.

A new module or room fails here until it has a row, so nobody adds one without a decision.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import attrs
import pytest

import engine

PACKAGE = Path(engine.__file__).parent


@attrs.frozen
class Room:
    """One row of the table.

    Attributes:
        layer: Rooms of a lower number know nothing of it.
        may_import: The rooms that it may import. Imports inside a room are free but in `apart` rooms.
        pure: No async, no clock of its own, no I/O.
        apart: Its modules don't import each other.
        public: May it import the names of `engine` itself?
    """

    layer: int
    may_import: frozenset[str]
    pure: bool = False
    apart: bool = False
    public: bool = False


def rooms(names: str) -> frozenset[str]:
    return frozenset(names.split())


L0 = rooms("errors limits counting blocks secrets frozen dispatch printable threads waiting trio_thread")
L1 = rooms("events contract config wire audio")
L2 = rooms("protocol transport inbox lane raw event_stream content metering recording")
L3 = rooms("actors traffic outgoing endpoints telemetry devices")
L4 = rooms("session")
L5 = rooms("facade hosts tools http_api")
L6 = rooms("integrations farm")
SIDE = rooms("simulator testing")
WORDS = L0 | L1

ROOMS = {
    "errors": Room(0, rooms(""), pure=True),
    "limits": Room(0, rooms(""), pure=True),
    "counting": Room(0, rooms("limits"), pure=True),
    "blocks": Room(0, rooms("")),
    "threads": Room(0, rooms("")),
    "secrets": Room(0, rooms(""), pure=True),
    "frozen": Room(0, rooms(""), pure=True),
    "dispatch": Room(0, rooms(""), pure=True),
    "printable": Room(0, rooms(""), pure=True),
    "waiting": Room(0, rooms("")),
    "trio_thread": Room(0, rooms("")),
    "wire": Room(1, L0, pure=True),
    "audio": Room(1, L0, pure=True),
    "events": Room(1, L0, pure=True),
    "contract": Room(1, L0 | rooms("wire events"), pure=True),
    "config": Room(1, L0 | rooms("wire audio contract"), pure=True),
    "protocol": Room(2, WORDS, pure=True),
    "transport": Room(2, L0),  # it moves text frames and knows no JSON
    "inbox": Room(2, WORDS),
    "lane": Room(2, L0),
    "content": Room(2, WORDS),
    "event_stream": Room(2, WORDS | rooms("inbox")),
    "raw": Room(2, WORDS),
    "metering": Room(2, WORDS, pure=True),
    "recording": Room(2, WORDS),
    "devices": Room(3, WORDS),
    "endpoints": Room(3, WORDS | rooms("transport")),
    "telemetry": Room(3, WORDS | rooms("metering")),
    "traffic": Room(3, WORDS | rooms("protocol raw")),
    "actors": Room(3, WORDS | L2, apart=True),
    "outgoing": Room(3, WORDS | rooms("lane actors")),
    "session": Room(4, WORDS | L2 | L3),
    "tools": Room(5, WORDS),
    "http_api": Room(5, WORDS | rooms("transport endpoints")),
    "hosts": Room(5, WORDS | L2 | L3 | L4),
    "facade": Room(5, WORDS | L2 | L4 | rooms("hosts tools")),
    "integrations": Room(6, WORDS | L2 | L4 | L5),
    "farm": Room(6, WORDS | L2 | L3 | L4 | L5 | rooms("simulator")),
    # Both ends must not share one mistake: the simulator shares our words, never our order.
    "simulator": Room(2, rooms("wire audio limits errors blocks threads recording")),
    "testing": Room(5, WORDS | L2 | L3 | L4 | rooms("simulator")),
    "demo": Room(7, WORDS | L2 | L3 | L4 | L5 | L6 | SIDE, public=True),
    "cli": Room(7, WORDS | L2 | L3 | L4 | L5 | L6 | SIDE | rooms("demo"), public=True),
    "__main__": Room(7, WORDS | L2 | L3 | L4 | L5 | L6 | SIDE | rooms("demo cli"), public=True),
    "__init__": Room(6, WORDS | L2 | L4 | L5),
}

SIDEWAYS = {
    ("counting", "limits"),
    ("contract", "wire"),
    ("contract", "events"),
    ("config", "wire"),
    ("config", "audio"),
    ("config", "contract"),
    ("event_stream", "inbox"),
    ("outgoing", "actors"),
    ("facade", "hosts"),
    ("facade", "tools"),
    ("simulator", "recording"),
    ("cli", "demo"),
    ("__main__", "demo"),
    ("__main__", "cli"),
}
"""The steps inside a layer that were decided, each one way only."""

PURE_MODULES = tuple(f"engine.farm.{name}" for name in ("plan", "policy", "job", "metrics", "figures"))
"""Pure modules and packages of rooms that are not pure as a whole."""

IMPURE = rooms("trio anyio asyncio sniffio trio_websocket websockets wsproto socket select selectors threading")
IMPURE |= rooms("subprocess multiprocessing concurrent")
IMPURE_PROTOCOL = IMPURE | rooms("time datetime logging random")
"""`engine.protocol` takes the time as an argument and tells what happened as effects."""


@attrs.frozen
class Import:
    """One import statement's target: a module of ours or of somebody else."""

    target: str
    line: int
    at_run_time: bool


Tree = dict[str, list[Import]]


def room_of(module: str) -> str:
    _, _, inner = module.partition(".")
    return inner.partition(".")[0] or "__init__"


def read_tree(package: Path) -> Tree:
    """Read the imports of every module below `package`, wherever in the module they stand."""
    files = {_module_name(path, package): path for path in sorted(package.rglob("*.py"))}
    known = frozenset(files) | {name.rpartition(".")[0] for name in files}
    return {name: list(_imports(path, name, known)) for name, path in files.items()}


def _module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path, module: str, modules: frozenset[str]) -> Iterator[Import]:
    tree = ast.parse(path.read_text("utf-8"), filename=str(path))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node, at_run_time in _walk(tree, at_run_time=True):
        for name in _targets(node, package):
            yield Import(_longest_module(name, modules), getattr(node, "lineno", 0), at_run_time)


def _walk(node: ast.AST, *, at_run_time: bool) -> Iterator[tuple[ast.AST, bool]]:
    yield node, at_run_time
    if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        for child in node.body:
            yield from _walk(child, at_run_time=False)
        for child in node.orelse:
            yield from _walk(child, at_run_time=at_run_time)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _walk(child, at_run_time=at_run_time)


def _targets(node: ast.AST, package: str) -> Iterator[str]:
    match node:
        case ast.Import():
            yield from (alias.name for alias in node.names)
        case ast.ImportFrom():
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[ast.Constant(value=str(target)), *_]):
            if name in ("import_module", "__import__"):
                yield target


def _longest_module(name: str, modules: frozenset[str]) -> str:
    """Tell the module from the name that is taken out of it."""
    while "." in name and name.startswith("engine.") and name not in modules:
        name = name.rpartition(".")[0]
    return name


def problems(tree: Tree) -> list[str]:
    """Name each import that breaks a rule, as `module:line: what`."""
    found = [f"{module}: room {room_of(module)!r} has no row in the table" for module in tree if _unknown(module)]
    for module, imports in tree.items():
        for one in imports:
            what = None if _unknown(module) else _problem(module, one)
            if what:
                found.append(f"{module}:{one.line}: {what}")
    cycle = _cycle(tree)
    return [*found, f"cycle: {' -> '.join(cycle)}"] if cycle else found


def _unknown(module: str) -> bool:
    return room_of(module) not in ROOMS


def _problem(module: str, one: Import) -> str | None:
    if one.target.split(".")[0] != "engine":
        return _impurity(module, one)
    here, there = room_of(module), room_of(one.target)
    room = ROOMS[here]
    if here == there:
        apart = room.apart
        return f"modules of {here!r} don't import each other, as {one.target}" if apart else None
    if there == "__init__":
        return None if room.public else "imports the public names of engine"
    return None if there in room.may_import else f"{here!r} may not import {there!r}"


def _impurity(module: str, one: Import) -> str | None:
    room = room_of(module)
    pure = ROOMS[room].pure or any(module == one or module.startswith(f"{one}.") for one in PURE_MODULES)
    if not pure or not one.at_run_time:
        return None
    banned = IMPURE_PROTOCOL if room == "protocol" else IMPURE
    return f"{module} is pure, and imports {one.target}" if one.target.split(".")[0] in banned else None


def _cycle(tree: Tree) -> list[str] | None:
    """Find modules that need each other when they are imported or called; a type-checker's import needs nobody."""
    graph = {
        module: {one.target for one in imports if one.at_run_time and one.target in tree} - {module, "engine"}
        for module, imports in tree.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


# --- the engine ---------------------------------------------------------------------------------------------------


def test_every_import_of_the_engine_keeps_to_the_table():
    assert problems(read_tree(PACKAGE)) == []


def test_the_table_points_down_but_for_the_steps_that_were_decided():
    ups = {
        (name, other)
        for name, room in ROOMS.items()
        for other in room.may_import
        if ROOMS[other].layer >= room.layer and (name, other) not in SIDEWAYS
    }

    assert ups == set()
    assert {(name, other) for name, other in SIDEWAYS if other not in ROOMS[name].may_import} == set()


def test_the_rooms_of_the_table_can_be_built_in_some_order():
    TopologicalSorter({name: room.may_import for name, room in ROOMS.items()}).prepare()


def test_nothing_but_main_may_import_the_command_line():
    assert {name for name, room in ROOMS.items() if "cli" in room.may_import} == {"__main__"}


# --- the check bites ----------------------------------------------------------------------------------------------

CLEAN = {
    "__init__.py": "from engine.session import open_session",
    "errors.py": "",
    "limits.py": "import math",
    "wire/__init__.py": "",
    "wire/codec.py": "from engine.errors import EngineError\nfrom engine.wire import items\nimport orjson",
    "wire/items.py": "from . import record\nfrom .record import Record",
    "wire/record.py": "Record = 1",
    "protocol/conversation.py": "import engine.wire.codec as codec",
    "transport/base.py": "import trio",
    "lane.py": "import trio",
    "transport/trio_ws.py": "from .base import Transport\nfrom ..errors import EngineError",
    "actors/sender.py": "from engine.transport import base\nfrom engine.lane import Lane",
    "actors/receiver.py": "from engine.protocol.conversation import Conversation",
    "session.py": "from engine.actors import receiver, sender\nimport trio",
    "simulator/responder.py": "from engine.wire.items import Item",
    "cli.py": "import engine\nfrom engine.demo import show",
    "demo/__init__.py": "from engine.simulator import responder",
    "__main__.py": "def main():\n    from engine.cli import app",
}


def written(folder: Path, files: dict[str, str]) -> Path:
    package = folder / "engine"
    for name, text in files.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text, "utf-8")
    return package


def test_a_clean_tree_has_no_problem(tmp_path: Path):
    assert problems(read_tree(written(tmp_path, CLEAN))) == []


BROKEN = {
    "an import that points up": (
        {"wire/codec.py": "import orjson\nfrom engine.transport import base"},
        "engine.wire.codec:2: 'wire' may not import 'transport'",
    ),
    "an import that points sideways": (
        {"audio/pcm.py": "from engine.wire.items import Item"},
        "engine.audio.pcm:1: 'audio' may not import 'wire'",
    ),
    "an import inside a function": (
        {"errors.py": "def help():\n    import engine.limits"},
        "engine.errors:2: 'errors' may not import 'limits'",
    ),
    "an import inside a method of a class in a condition": (
        {"errors.py": "if 1:\n  class A:\n    async def b(self):\n      from engine import limits"},
        "engine.errors:4: 'errors' may not import 'limits'",
    ),
    "a relative import": (
        {"transport/base.py": "from ..wire.codec import encode"},
        "engine.transport.base:1: 'transport' may not import 'wire'",
    ),
    "a relative import of a room": (
        {"transport/base.py": "from .. import wire"},
        "engine.transport.base:1: 'transport' may not import 'wire'",
    ),
    "an import by name at run time": (
        {"limits.py": "import importlib\nimportlib.import_module('engine.session')"},
        "engine.limits:2: 'limits' may not import 'session'",
    ),
    "an upward import for the type checker only": (
        {"errors.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from engine.session import x"},
        "engine.errors:3: 'errors' may not import 'session'",
    ),
    "an actor that imports another": (
        {"actors/sender.py": "from engine.actors.receiver import Receiver"},
        "engine.actors.sender:1: modules of 'actors' don't import each other, as engine.actors.receiver",
    ),
    "the simulator that learns the order": (
        {"simulator/responder.py": "from engine.protocol import conversation"},
        "engine.simulator.responder:1: 'simulator' may not import 'protocol'",
    ),
    "a room that imports the public names": (
        {"session.py": "from engine import open_session"},
        "engine.session:1: imports the public names of engine",
    ),
    "something that imports the command line": (
        {"session.py": "from engine import __main__"},
        "engine.session:1: 'session' may not import '__main__'",
    ),
    "a file without a row": ({"helpers.py": ""}, "engine.helpers: room 'helpers' has no row in the table"),
    "a folder without a row": ({"utils/x.py": ""}, "engine.utils.x: room 'utils' has no row in the table"),
    "trio in a pure room": (
        {"wire/items.py": "def now():\n    from trio import current_time"},
        "engine.wire.items:2: engine.wire.items is pure, and imports trio.current_time",
    ),
    "anyio in a pure module": (
        {"limits.py": "import anyio.abc"},
        "engine.limits:1: engine.limits is pure, and imports anyio.abc",
    ),
    "a pure module in a room that is not": (
        {"farm/plan.py": "import trio", "farm/runner.py": "import trio"},
        "engine.farm.plan:1: engine.farm.plan is pure, and imports trio",
    ),
    "a clock in the protocol": (
        {"protocol/conversation.py": "import time"},
        "engine.protocol.conversation:1: engine.protocol.conversation is pure, and imports time",
    ),
}


@pytest.mark.parametrize(("files", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_the_check_finds(files: dict[str, str], expected: str, tmp_path: Path):
    found = problems(read_tree(written(tmp_path, CLEAN | files)))

    assert found == [expected]


def test_the_check_finds_a_cycle_even_through_a_function(tmp_path: Path):
    late = {"wire/record.py": "def late():\n    from engine.wire.codec import decode"}

    (found,) = problems(read_tree(written(tmp_path, CLEAN | late)))

    assert set(found.removeprefix("cycle: ").split(" -> ")) == {
        "engine.wire.codec",
        "engine.wire.items",
        "engine.wire.record",
    }


def test_an_import_for_the_type_checker_makes_no_cycle_and_no_room_impure(tmp_path: Path):
    files = {
        "wire/record.py": "import typing\nif typing.TYPE_CHECKING:\n    import trio\n    import engine.wire.codec",
        "wire/items.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    import math",
    }

    assert problems(read_tree(written(tmp_path, CLEAN | files))) == []


def test_the_other_branch_of_a_type_checking_condition_counts(tmp_path: Path):
    files = {"wire/items.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    import trio"}

    assert problems(read_tree(written(tmp_path, CLEAN | files))) == [
        "engine.wire.items:5: engine.wire.items is pure, and imports trio"
    ]
