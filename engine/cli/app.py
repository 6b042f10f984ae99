"""The commands as the shell sees them: names, options, help; what they do is in a module each, loaded when called."""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

from cyclopts import App, CycloptsError

from engine import __version__
from engine.cli import exits
from engine.cli.farm import farm_app
from engine.cli.options import Port, Switch, Voice
from engine.cli.talk_options import DEFAULTS as NO_TALK_OPTIONS
from engine.cli.talk_options import TalkOptions
from engine.errors import ConfigError

_CODES: Final = "  \n".join(f"{code}: {meaning}" for code, meaning in exits.MEANINGS.items())
_EPILOGUE: Final = f"""**Exit codes**

{_CODES}

With `--debug`, any command shows where a failure came from, and what the engine logs.
"""

app = App(
    name="realtime-engine",
    help="Voice conversations over OpenAI's Realtime API, farms of them, and a simulator on this machine.",
    help_epilogue=_EPILOGUE,
    help_format="markdown",
    version=__version__,
)


@app.command(name="demo")
def _demo(*, fast: Switch = False, out: Path = Path("demo-run")) -> None:
    """Hear, read and see a spoken conversation, without a network or a key.

    A caller reads out cards, and a tool scores them; reads a sentence, and the agent goes on about its book until the
    caller cuts in. The caller is recorded speech, the agent a local simulator with a voice. Leaves conversation.wav
    (left the caller, right the agent), events.jsonl and timeline.png.

    For example:

    - `realtime-engine demo` takes as long as the conversation, about 40 s.
    - `realtime-engine demo --fast --out /tmp/demo` takes a few seconds and gives the same files.

    Parameters
    ----------
    fast:
        Run in virtual time, over streams in memory instead of TCP.
    out:
        Folder for the files; made where it is missing.
    """
    from engine.cli.demo import play  # noqa: PLC0415 - what a command needs is loaded with it

    play(fast=fast, out=out)


@app.command(name="talk")
def _talk(*, asked: TalkOptions = NO_TALK_OPTIONS) -> None:
    """Talk with a model: type lines, let it hear a recording, or speak.

    Each line of the standard input is a turn. With --in, the recording is sent as a microphone would send it, and the
    turns in it are answered. Both end after the last answer. With --mic, speak: what you say may cut in on the answer;
    in a terminal, m mutes the microphone, space interrupts the answer, and q ends. The service takes its key from
    OPENAI_API_KEY.

    For example:

    - `echo "What is a fermata?" | realtime-engine talk --out answer.wav`
    - `realtime-engine talk --simulator` needs no key: it repeats what you type.
    - `realtime-engine talk --simulator local --in question.wav --out answer.wav`
    - `realtime-engine talk --mic --half-duplex` speaks with you, through the microphone and loudspeakers of a laptop.
    """
    if asked.list_devices:
        from engine.cli.talk_devices import print_devices  # noqa: PLC0415

        print_devices()
        return
    from engine.cli.talk import talk  # noqa: PLC0415

    talk(asked)


@app.command(name="simulate")
def _simulate(
    *,
    port: Port = 8765,
    host: str = "127.0.0.1",
    script: Path | None = None,
    voice: Voice | None = None,
    replay: Path | None = None,
    at_once: Switch = False,
) -> None:
    """Run a Realtime server on this machine, for any client, until Ctrl-C.

    For example:

    - `realtime-engine simulate --port 8765` repeats what it hears.
    - `realtime-engine simulate --port 0 --voice local` takes a free port, understands English and has a voice.
    - `realtime-engine simulate --port 8765 --script answers.toml` answers as the script says.
    - `realtime-engine simulate --port 8765 --script answers.toml --voice local` hears and speaks besides.
    - `realtime-engine simulate --port 8765 --replay call.jsonl` plays a recorded call to each client.

    Parameters
    ----------
    port:
        Port to listen on; 0 takes a free one.
    host:
        Address to listen on. Any other than this machine's own lets others in: it takes any key.
    script:
        TOML file with what is answered.
    voice:
        tone sounds in tones (the default); local understands English and has a voice.
    replay:
        Recording to play: each server message goes out when the client has done what came before it.
    at_once:
        With --replay: without the recording's own waits.
    """
    from engine.cli.simulate import simulate  # noqa: PLC0415

    simulate(host=host, port=port, script=script, voice=voice, replay=replay, at_once=at_once)


@app.command(name="inspect")
def _inspect(recording: Path, /, *, out: Path | None = None) -> None:
    """Tell what a recording holds: how long, which messages, each turn with its times, tokens and errors.

    Recordings are made by `realtime-engine talk --record FILE`, by `session.record(path)`, or by other programs that
    write `{"dir": "client" or "server", "event": {...}}` a line; without times only the order is told.

    For example:

    - `realtime-engine inspect call.jsonl`
    - `realtime-engine inspect call.jsonl.gz --out timeline.png` also draws who sounded when.

    Parameters
    ----------
    recording:
        The recording; gzip or not.
    out:
        PNG file for the timeline. Needs the extra demo.
    """
    from engine.cli.inspect import inspect  # noqa: PLC0415

    inspect(recording, out)


app.command(farm_app)


def run(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name, and give its exit code."""
    debug = "--debug" in arguments
    words = [word for word in _with_default_simulator(arguments) if word != "--debug"]
    exits.set_up_logging(debug=debug)
    return exits.guarded(partial(_run, words), debug=debug)


def _with_default_simulator(arguments: Sequence[str]) -> list[str]:
    """Let `--simulator` stand alone, which the parser does not know."""
    words = [*arguments, "--"]
    alone = [word == "--simulator" and following.startswith("-") for word, following in pairwise(words)]
    return ["--simulator=tone" if bare else word for word, bare in zip(arguments, alone, strict=True)]


def _run(words: Sequence[str]) -> None:
    try:
        command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        name = " ".join(["realtime-engine", *(error.command_chain or ())])
        message = f"{' '.join(str(error).split())} | {name} --help tells what there is"
        raise ConfigError("arguments", list(words), "see --help", message=message) from error
    command(*bound.args, **bound.kwargs)
