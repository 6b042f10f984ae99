"""Sound devices: which there are, a microphone to hear and a loudspeaker to speak from, through PortAudio.

Needs the extra `audio`, which brings sounddevice; it is loaded with the first device. On Linux PortAudio itself comes
from the system (`apt install libportaudio2`).
"""

from engine.devices.half_duplex import HalfDuplex
from engine.devices.listing import Device, choose, devices
from engine.devices.loudspeaker import Loudspeaker, LoudspeakerStatistics, open_loudspeaker
from engine.devices.microphone import Microphone, MicrophoneStatistics, open_microphone

__all__ = [
    "Device",
    "HalfDuplex",
    "Loudspeaker",
    "LoudspeakerStatistics",
    "Microphone",
    "MicrophoneStatistics",
    "choose",
    "devices",
    "open_loudspeaker",
    "open_microphone",
]
