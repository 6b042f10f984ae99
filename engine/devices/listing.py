"""Which sound devices there are, and which one is meant by a number, a name or nothing."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import attrs

from engine.audio.shape import RATE_MAX_HZ, RATE_MIN_HZ
from engine.devices.portaudio import portaudio
from engine.errors import ConfigError

Direction = Literal["input", "output"]

CALLED: Final[Mapping[Direction, str]] = {"input": "microphone", "output": "loudspeaker"}

_BLOCKS_A_SECOND: Final = 50
"""Audio goes in blocks of 20 ms, which must be whole samples."""


@attrs.frozen
class Device:
    """A sound device, as PortAudio tells it.

    Attributes:
        number: Its place in the list; changes when devices come and go.
        name: Its name, which may be another one's too, under another host API.
        host_api: Part of the system that it is reached through, as `ALSA` or `Core Audio`.
        input_channels: Most channels that it records; 0 when it is no microphone.
        output_channels: Most channels that it plays; 0 when it is no loudspeaker.
        rate_hz: Samples a second that it would choose itself.
        is_default_input: What is taken as the microphone when none is named.
        is_default_output: What is taken as the loudspeaker when none is named.
    """

    number: int
    name: str
    host_api: str
    input_channels: int
    output_channels: int
    rate_hz: float
    is_default_input: bool = False
    is_default_output: bool = False

    @property
    def usable_rate_hz(self) -> int:
        """The device's own rate, or the highest that the engine converts where it can't use that one."""
        rate_hz = round(self.rate_hz)
        usable = RATE_MIN_HZ <= rate_hz <= RATE_MAX_HZ and not rate_hz % _BLOCKS_A_SECOND
        return rate_hz if usable else RATE_MAX_HZ

    def channels(self, direction: Direction) -> int:
        """Tell how many channels it has in a direction."""
        return self.input_channels if direction == "input" else self.output_channels

    def is_default(self, direction: Direction) -> bool:
        """Tell whether it is taken when none is named."""
        return self.is_default_input if direction == "input" else self.is_default_output


def devices() -> list[Device]:
    """List the sound devices.

    PortAudio looks for them once, when it is loaded: what is plugged in later is seen by a new process only. The first
    call blocks, for up to a second or so: `trio.to_thread.run_sync(devices)`.

    Raises:
        ConfigError: sounddevice or PortAudio is not installed.
    """
    library = portaudio()
    apis = library.query_hostapis()
    default_input, default_output = library.default.device
    if default_input < 0 and default_output < 0 and apis:
        default_input, default_output = apis[0]["default_input_device"], apis[0]["default_output_device"]
    found = library.query_devices()
    return [_device(each, apis[each["hostapi"]]["name"], default_input, default_output) for each in found]


def _device(found: Mapping[str, Any], host_api: str, default_input: int, default_output: int) -> Device:
    number = found["index"]
    return Device(
        number=number,
        name=found["name"],
        host_api=host_api,
        input_channels=found["max_input_channels"],
        output_channels=found["max_output_channels"],
        rate_hz=found["default_samplerate"],
        is_default_input=number == default_input and found["max_input_channels"] > 0,
        is_default_output=number == default_output and found["max_output_channels"] > 0,
    )


def choose(among: Sequence[Device], wanted: int | str | None, direction: Direction) -> Device:
    """Find the device that is meant.

    Args:
        among: The devices.
        wanted: A number of the list; a name, or a part of one that fits only one device, capital letters or not; or
            None for the system's own choice.
        direction: `input` for a microphone, `output` for a loudspeaker.

    Raises:
        ConfigError: There is none, none fits, or several do; the message names those that there are.
    """
    field, called = f"{direction}_device", CALLED[direction]
    usable = [device for device in among if device.channels(direction) > 0]
    if not usable:
        raise ConfigError(field, wanted, f"a {called}", message=f"this machine has no {called} | connect one")
    fitting = _fitting(usable, wanted, direction)
    if len(fitting) == 1:
        return fitting[0]
    asked = f"no {called} is the default one" if wanted is None else f"no {called} is called {wanted!r}"
    if fitting:
        usable, asked = fitting, f"{len(fitting)} {called}s are called {wanted!r}"
    there = ", ".join(f"{device.number} {device.name}" for device in usable)
    raise ConfigError(field, wanted, there, message=f"{asked} | give the number or the name of one of: {there}")


def _fitting(usable: Sequence[Device], wanted: int | str | None, direction: Direction) -> list[Device]:
    if wanted is None:
        return [device for device in usable if device.is_default(direction)]
    if isinstance(wanted, int) or wanted.isdecimal():
        return [device for device in usable if device.number == int(wanted)]
    name = wanted.casefold()
    exact = [device for device in usable if name in (device.name.casefold(), _whole_name(device))]
    return exact or [device for device in usable if name in _whole_name(device)]


def _whole_name(device: Device) -> str:
    return f"{device.name}, {device.host_api}".casefold()
