"""The console script `realtime-engine`, and `python -m engine`."""

import sys

from engine.audio.extras import load
from engine.errors import ConfigError


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        for module in ("cyclopts", "rich"):
            load(module, "cli")
    except ConfigError as error:
        sys.exit(_refuse(error))
    from engine.cli.app import run  # noqa: PLC0415 - needs the extra

    sys.exit(run(sys.argv[1:]))


def _refuse(error: ConfigError) -> int:
    print(f"realtime-engine: {error}", file=sys.stderr)  # noqa: T201 - the command line
    return 2


if __name__ == "__main__":
    main()
