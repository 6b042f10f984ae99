"""What `realtime-engine talk` can be told; the texts below the options are its help."""

from pathlib import Path
from typing import Annotated

import attrs
from cyclopts import Parameter

from engine.cli.options import Positive, Switch, Voice
from engine.config import DEFAULT_MODEL


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class TalkOptions:
    """The options of `realtime-engine talk`."""

    wav: Annotated[Path | None, Parameter(name="--in")] = None
    """A sound file to say: any rate, mono or stereo."""

    out: Path | None = None
    """WAV file for the agent's voice. With --in, in step with that recording."""

    simulator: Voice | None = None
    """Talk with a simulator on this machine instead of the service: tone (the default when nothing follows) repeats
    what it hears and sounds in tones; local understands English and has a voice."""

    model: str = DEFAULT_MODEL
    """Model of the service."""

    voice: str = "alloy"
    """Voice of the model."""

    instructions: str | None = None
    """What the model is to be and do."""

    text: Switch = False
    """Answer in writing, not in speech."""

    base_url: str | None = None
    """Another service, as in ws://127.0.0.1:8765/v1."""

    record: Path | None = None
    """File for every message both ways, for `realtime-engine inspect` and `simulate --replay`; compressed when its
    name ends in .gz. It holds what was said, but no key."""

    mic: Switch = False
    """Hear the microphone, and answer through the loudspeaker (with --text on the screen). Needs the extra audio."""

    input_device: str | None = None
    """With --mic: the microphone, by its number or a part of its name."""

    output_device: str | None = None
    """With --mic: the loudspeaker, in the same way."""

    half_duplex: Switch = False
    """With --mic: hear nothing while the agent speaks, so that it can't hear itself. Then only the space key
    interrupts it."""

    seconds: Positive | None = None
    """With --mic: end after so long."""

    list_devices: Switch = False
    """Print the sound devices, and do nothing else."""


DEFAULTS = TalkOptions()
