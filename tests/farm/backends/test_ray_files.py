import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import FarmError
from engine.farm.backends import ray_files
from engine.farm.backends.ray_files import Scratch, is_here, listed, pieces, sweep
from engine.farm.job import Grant, Job, Result, Span, TurnResult
from engine.farm.link import Up
from engine.farm.plan.model import CannedTool, FunctionTool, Plan, Say, Scenario, Target, Type


def sent(files):
    scratch = Scratch()
    for piece in pieces(files):
        scratch.add(piece)
    return scratch


@settings(max_examples=25)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=8))
def test_files_of_any_size_arrive_whole(tmp_path_factory, sizes):
    folder = tmp_path_factory.mktemp("plan")
    for number, size in enumerate(sizes):
        (folder / f"{number}.wav").write_bytes(os.urandom(size))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_files, "PIECE_BYTES", 16)
        files = listed(str(folder), [f"{number}.wav" for number in range(len(sizes))])
        for piece in pieces(files):
            assert sum(len(part) for _, _, part in piece) <= 16
        scratch = sent(files)
    for file in files:
        assert Path(scratch.folder + file.path).read_bytes() == Path(file.path).read_bytes()
    scratch.mirror().remove()
    assert not Path(scratch.folder).exists()


def test_what_a_tools_file_imports_beside_it_comes_along(tmp_path):
    for name in ("tools.py", "prices.py", "notes.txt"):
        (tmp_path / name).write_text("x = 1\n")
    paths = [Path(file.path).name for file in listed(str(tmp_path), ["tools.py"])]
    assert paths == ["tools.py", "prices.py"]


def test_a_file_twice_is_sent_once_and_a_missing_one_not_at_all(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    found = listed(str(tmp_path), ["a.wav", "./a.wav", str(tmp_path / "a.wav"), "missing.wav"])
    assert [Path(file.path).name for file in found] == ["a.wav"]


def test_files_that_are_too_much_to_be_sent_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_files, "SENT_MAX_BYTES", 3)
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(FarmError, match="NFS"):
        listed(str(tmp_path), ["a.wav"])


def test_a_file_that_was_changed_is_not_the_same(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF")
    (file,) = listed(str(tmp_path), ["a.wav"])
    assert is_here(file)
    path.write_bytes(b"RIFX.")
    assert not is_here(file)
    path.unlink()
    assert not is_here(file)


@pytest.fixture
def mirrored(tmp_path):
    sounds, folder = tmp_path / "sounds", tmp_path / "plans"
    sounds.mkdir()
    folder.mkdir()
    for path in (sounds / "b.wav", folder / "a.wav", folder / "tools.py", folder / "script.toml"):
        path.write_bytes(b"here")
    paths = ["a.wav", "tools.py", str(folder / "script.toml"), str(sounds / "b.wav"), "../sounds/b.wav"]
    scratch = sent(listed(str(folder), paths))
    mirror = scratch.mirror()
    yield scratch.folder, mirror, sounds, folder
    mirror.remove()


def test_all_paths_of_a_plan_are_found_below_the_scratch_folder(mirrored):
    root, mirror, sounds, folder = mirrored
    turns = (
        Say(say="a.wav"),
        Say(say="../sounds/b.wav"),
        Say(say=f"{sounds}/b.wav"),
        Say(say=f"{sounds}/{{name}}.wav"),
        Say(say="{file}"),
        Say(say="/ is what I say"),
        Type(type="/sounds"),
    )
    tools = (CannedTool(name="t"), FunctionTool(function="tools.py:f"), FunctionTool(function=f"{folder}/tools.py:f"))
    scenario = Scenario(name="s", turns=turns, tools=tools)
    target = Target(script=str(folder / "script.toml"))
    plan = mirror.plan(Plan(name="p", scenarios=(scenario,), folder=str(folder), target=target))
    here = Path(plan.folder)
    said = [step.say for step in plan.scenarios[0].turns if isinstance(step, Say)]
    for say in (*said[:3], said[3].format(name="b")):
        assert (here / say).read_bytes() == b"here"
        assert os.path.realpath(here / say).startswith(os.path.realpath(root))
    assert said[4:] == ["{file}", "/ is what I say"]
    functions = [tool.function for tool in plan.scenarios[0].tools if isinstance(tool, FunctionTool)]
    assert all((here / function.rpartition(":")[0]).is_file() for function in functions)
    assert Path(plan.target.script).read_bytes() == b"here"


def test_values_of_a_job_are_found_too_and_results_speak_of_the_plans_own_paths(mirrored):
    _, mirror, sounds, _ = mirrored
    values = {"file": f"{sounds}/b.wav", "folder": str(sounds), "name": "b", "age": 7, "word": "/etc/passwd"}
    grant = mirror.grant(Grant(attempt_id="r-0-1", job=Job(number=0, scenario="s", index=0, values=values)))
    here = grant.job.values
    assert Path(here["file"]).read_bytes() == b"here"
    assert Path(here["folder"], "b.wav").read_bytes() == b"here"
    assert (here["name"], here["age"], here["word"]) == ("b", 7, "/etc/passwd")
    result = Result(
        attempt_id="r-0-1",
        job=0,
        scenario="s",
        error=f"{here['file']}: not a sound",
        turns=(TurnResult(number=1, said=here["file"]),),
        spans=(Span(lane="caller", at_ms=0, until_ms=1, text=here["file"]),),
        notes=(f"no room for {here['file']}",),
    )
    (told,) = mirror.up(Up(results=(result,))).results
    assert told.error == f"{sounds}/b.wav: not a sound"
    assert told.turns[0].said == told.spans[0].text == f"{sounds}/b.wav"
    assert told.notes == (f"no room for {sounds}/b.wav",)


def test_what_a_killed_worker_left_goes_with_the_next_one():
    program = "from engine.farm.backends.ray_files import Scratch; print(Scratch().folder)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    left = Path(done.stdout.strip())
    assert left.is_dir()
    mine = Scratch()
    sweep()
    assert not left.exists()
    assert Path(mine.folder).is_dir()
    mine.mirror().remove()
