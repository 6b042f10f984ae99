"""The public names of the farm are there, load when they are asked for, and no others do."""

import subprocess
import sys

import pytest

import engine.farm


def test_each_name_is_there_and_no_other():
    assert all(getattr(engine.farm, name) is not None for name in engine.farm.__all__)
    assert sorted(engine.farm._WHERE) == engine.farm.__all__
    with pytest.raises(AttributeError, match="has no attribute 'Farm'"):
        _ = engine.farm.Farm


def test_importing_the_room_loads_none_of_it():
    loaded = "import sys, engine.farm; print([name for name in sys.modules if name.startswith('engine.farm.')])"
    printed = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True, timeout=60)
    assert printed.stdout == "[]\n"
