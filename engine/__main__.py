"""The console script `realtime-engine`, and `python -m engine`."""

import sys
from io import TextIOWrapper

from engine.audio.extras import load
from engine.errors import ConfigError


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        sys.exit(_run())
    except ConfigError as error:
        sys.stderr.write(f"realtime-engine: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        # While the command line was still being imported; later each command says what was stopped.
        sys.stderr.write("realtime-engine: stopped\n")
        sys.exit(130)


def _run() -> int:
    if sys.stdout is None:
        message = "the standard output is closed | send it somewhere, as with > /dev/null"
        raise ConfigError("standard output", None, "open", message=message)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that can't show a letter shows another one.
            stream.reconfigure(errors="replace")
    for module in ("cyclopts", "rich"):
        load(module, "cli")
    from engine.cli.app import run  # noqa: PLC0415 - needs the extra

    return run(sys.argv[1:])


if __name__ == "__main__":
    main()
