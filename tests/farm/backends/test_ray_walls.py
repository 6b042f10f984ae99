"""Clusters that can't be had end in one line that says what to do, within a deadline."""

import os
import socket
import subprocess
import sys

import pytest
from real_runs import typed_plan

from engine.errors import BackendUnavailable, ConfigError
from engine.farm.backends import WorkerSpec, ray_cluster
from engine.farm.backends.ray import RayBackend, no_room, ray_backend
from engine.farm.backends.ray_address import place_of
from engine.farm.backends.ray_library import installed, library, lock_the_door, unavailable


@pytest.fixture(autouse=True)
def no_cluster_is_named(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


async def no_link(link):
    pytest.fail("a worker came up")


async def told_by(on, tmp_path):
    backend = ray_backend(on)(WorkerSpec(plan=typed_plan("/run"), folder=str(tmp_path)))
    with pytest.raises(BackendUnavailable) as told:
        await backend.run(no_link)
    assert "\n" not in str(told.value)
    assert " | " in str(told.value)
    return str(told.value)


async def test_without_ray_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "pip install 'realtime-engine[ray]'" in await told_by("ray:local", tmp_path)
    with pytest.raises(BackendUnavailable, match="not installed"):
        installed()
    with pytest.raises(BackendUnavailable, match="not installed"):
        library()


@pytest.fixture
def closed_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


async def test_nothing_listens_there(tmp_path, closed_port):
    told = await told_by(f"ray:127.0.0.1:{closed_port}", tmp_path)
    assert f"no Ray cluster answers at 127.0.0.1:{closed_port}" in told
    assert "ray start --head" in told


async def test_the_cluster_of_the_environment_does_not_answer(tmp_path, closed_port, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{closed_port}")
    assert f"no Ray cluster answers at 127.0.0.1:{closed_port}" in await told_by("ray", tmp_path)


async def test_ray_client_in_the_environment_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:10001")
    backend = RayBackend(WorkerSpec(plan=typed_plan("/run"), folder=str(tmp_path)), place=place_of("ray"))
    with pytest.raises(ConfigError, match="Ray Client"):
        await backend.run(no_link)


async def test_a_host_that_nobody_knows(tmp_path, monkeypatch):
    async def unknown(*_):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(ray_cluster.trio, "open_tcp_stream", unknown)
    assert "Name or service not known" in await told_by("ray:nowhere.invalid:6379", tmp_path)


async def test_something_else_listens_there(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_cluster, "JOIN_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        told = await told_by(f"ray:127.0.0.1:{mute.getsockname()[1]}", tmp_path)
    assert "something else listens there" in told


def test_what_ray_says_of_versions_names_both_sides():
    lock_the_door()
    library()
    from ray._private.utils import check_version_info

    theirs = {"ray_version": "2.49.0", "python_version": "3.12.1"}
    with pytest.raises(RuntimeError) as mismatch:
        check_version_info(theirs, "here")
    told = str(unavailable("head:6379", str(mismatch.value)))
    assert "runs Ray 2.49.0 on Python 3.12.1" in told
    assert "pip install ray==2.49.0" in told
    assert "\n" not in told


def test_what_ray_says_of_tokens_and_of_all_else():
    token = "InvalidAuthToken: Authentication token is missing or incorrect"
    assert "RAY_AUTH_TOKEN" in str(unavailable("head:6379", token))
    told = str(unavailable("head:6379", "first\nsecond " + "x" * 500))
    assert "first second" in told
    assert len(told) < 400
    assert "gave no reason" in str(unavailable("head:6379", ""))


def test_a_cluster_of_ours_is_locked_or_not_started(tmp_path):
    program = (
        "import os, sys\n"
        "from engine.farm.backends.ray_library import lock_the_door\n"
        "{first}\n"
        "lock_the_door()\n"
        "print(os.environ['RAY_AUTH_MODE'], len(os.environ['RAY_AUTH_TOKEN']))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment["HOME"] = str(tmp_path)

    def run(first):
        command = [sys.executable, "-c", program.format(first=first)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert run("").stdout == "token 64\n"
    assert run("os.environ['RAY_AUTH_TOKEN'] = 'mine'").stdout == "token 4\n"
    with_token = "sys.modules['ray'] = os; os.environ['RAY_AUTH_MODE'] = 'token'"
    # Ray would make up a missing token itself, and write it into the home directory.
    assert run(with_token).stdout == "token 64\n"
    # One that is there is left for Ray to find.
    assert "KeyError" in run(f"{with_token}; os.environ['RAY_AUTH_TOKEN_PATH'] = 'file'").stderr
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("theirs")
    assert "KeyError" in run(with_token).stderr
    assert "Ray was imported before the run" in run("sys.modules['ray'] = os").stderr


def test_a_full_cluster_is_told_with_its_figures():
    told = no_room(16.0, 0.0, 4, 60.0)
    assert "none of 4 workers found room on the Ray cluster within 60 s: 0 of its 16 CPUs are free" in told


def test_importing_the_backend_does_not_load_ray():
    program = "import sys, engine.farm.backends.ray; print('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
