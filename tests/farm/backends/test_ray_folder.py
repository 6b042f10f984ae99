"""The folder of a cluster of a run's own: closed, swept after a kill, and what workers wrote is saved from it."""

import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from engine.farm.backends import ray_folder
from engine.farm.backends.ray_folder import RayFolder, sweep


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    root = tmp_path / "tmp"
    root.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(root))
    return root


def test_nobody_else_can_look_into_it_and_nothing_is_left_of_it(root):
    folder = RayFolder()
    place = Path(folder.path)
    place.mkdir(mode=0o777)  # As Ray does.
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    folder.remove()
    assert list(root.iterdir()) == []


def test_its_name_leaves_room_for_the_sockets_of_a_cluster(monkeypatch):
    monkeypatch.delenv("RAY_TMPDIR")
    folder = RayFolder()
    try:
        socket = f"{folder.path}/session_2026-11-23_16-18-57_068602_{2**22}/sockets/plasma_store"
        assert len(socket) <= 107
    finally:
        folder.remove()


def test_what_a_killed_run_left_is_swept_and_what_a_living_one_has_is_not(root):
    program = (
        "import os, signal\nfrom engine.farm.backends.ray_folder import RayFolder\n"
        "folder = RayFolder()\nos.mkdir(folder.path)\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    living = RayFolder()
    subprocess.run([sys.executable, "-c", program], check=False)
    assert len(list(root.iterdir())) == 2
    sweep()
    assert list(root.iterdir()) == [Path(living.path).parent]
    living.remove()


def test_links_that_others_laid_lead_nowhere(root, tmp_path):
    ours = tmp_path / "ours"
    ours.mkdir()
    (root / "rt-ray-link").symlink_to(ours)
    (root / "rt-ray-lock").mkdir()
    (root / "rt-ray-lock" / "lock").symlink_to(ours / "made")
    sweep()
    assert list(ours.iterdir()) == []


def test_until_it_is_locked_no_sweep_of_another_run_finds_it(root, monkeypatch):
    make = tempfile.mkdtemp

    def made_and_swept(**where):
        made = make(**where)
        sweep()
        return made

    monkeypatch.setattr(tempfile, "mkdtemp", made_and_swept)
    folder = RayFolder()
    sweep()
    assert Path(folder.path).parent.is_dir()
    folder.remove()
    assert list(root.iterdir()) == []


def test_workers_words_are_saved_and_of_long_ones_the_end(root, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_folder, "LOG_MAX_BYTES", 100)
    folder = RayFolder()
    session = Path(folder.path) / "session_1"
    (session / "logs").mkdir(parents=True)
    (Path(folder.path) / "session_latest").symlink_to(session)
    (session / "logs" / "worker-a.err").write_text("x" * 500 + "the end")
    (session / "logs" / "worker-b.err").write_text("")
    (session / "logs" / "raylet.err").write_text("Ray's own")
    folder.save_logs(tmp_path / "workers")
    (saved,) = (tmp_path / "workers").iterdir()
    assert saved.name == "ray-worker-a.log"
    assert saved.stat().st_size == 100
    assert saved.read_text().endswith("the end")
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    folder.remove()


def test_where_ray_names_no_folder_that_is_there_another_is_taken(monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "nowhere"))
    folder = RayFolder()
    assert Path(folder.path).parent.is_dir()
    folder.remove()
