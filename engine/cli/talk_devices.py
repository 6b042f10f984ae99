"""The sound devices of `realtime-engine talk --mic`: what was asked for, which are there, and opening them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import attrs

from engine.cli.console import CommandConsole
from engine.cli.talk_options import TalkOptions
from engine.devices import Device, Loudspeaker, Microphone, devices, open_loudspeaker, open_microphone
from engine.errors import ConfigError

TYPED: Final = {"input_device": "--input-device", "output_device": "--output-device"}
"""Settings of the library by their names on the command line."""


@attrs.frozen(kw_only=True)
class Devices:
    """What was asked for; see `realtime-engine talk --help`."""

    input_device: str | None = None
    output_device: str | None = None
    half_duplex: bool = False
    seconds: float | None = None


def asked_for(asked: TalkOptions) -> Devices | None:
    """Give the devices that were asked for; None without a microphone.

    Raises:
        ConfigError: Devices were described, but not asked for.
    """
    options = {field.name: getattr(asked, field.name) for field in attrs.fields(Devices)}
    if asked.mic:
        return Devices(**options)
    given = [name for name, value in options.items() if value]
    if given:
        option = f"--{given[0].replace('_', '-')}"
        message = f"{option} is for a talk by microphone | add --mic, or leave it out"
        raise ConfigError(option, options[given[0]], "nothing without --mic", message=message)
    return None


@attrs.frozen
class SoundCard:
    """Both devices, open. Without a loudspeaker, the model answers in writing."""

    microphone: Microphone
    loudspeaker: Loudspeaker | None


@asynccontextmanager
async def opened(asked: Devices, *, loudspeaker: bool) -> AsyncIterator[SoundCard]:
    """Open what was asked for, for the length of a block.

    Raises:
        ConfigError: A device is not there, can't be opened, or a library is missing.
    """
    async with AsyncExitStack() as stack:
        try:
            microphone = await stack.enter_async_context(open_microphone(asked.input_device))
            speaker = None
            if loudspeaker:
                speaker = await stack.enter_async_context(open_loudspeaker(asked.output_device))
        except ConfigError as error:
            raise _as_typed(error) from error
        yield SoundCard(microphone, speaker)


def _as_typed(error: ConfigError) -> ConfigError:
    """Name the option in place of the setting, and where the devices are listed."""
    option = TYPED.get(error.field)
    if option is None:
        return error
    message = f"{error}; see {option} and talk --list-devices"
    return ConfigError(option, error.value, error.allowed, message=message)


def print_devices() -> None:
    """Print the sound devices.

    Raises:
        ConfigError: A library is missing.
    """
    console = CommandConsole(highlight=False, soft_wrap=True, markup=False)
    for line in lines(devices()):
        console.print(line)


def lines(found: Sequence[Device]) -> list[str]:
    """Say each device in a line: number, name, host API, channels, rate, and what it is the default for."""
    if not found:
        return ["this machine has no sound device"]
    width = max(len(device.name) for device in found)
    return [_line(device, width) for device in found]


def _line(device: Device, width: int) -> str:
    channels = f"{device.input_channels:>3} in {device.output_channels:>3} out"
    said = f"{device.number:>3}  {device.name:<{width}}  {device.host_api}  {channels}  {device.rate_hz:,.0f} Hz"
    defaults = [name for name, is_one in (("in", device.is_default_input), ("out", device.is_default_output)) if is_one]
    return f"{said}  default {' and '.join(defaults)}" if defaults else said
