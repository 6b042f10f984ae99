"""How the peers' environments are made. Nothing here asks the network for a package."""

import subprocess

import pytest
from environments import Peer, PeerEnvironmentError, folder, python_of

PIP_ALONE = Peer("nothing", ("pip",))
"""What `python -m venv` brings already."""


def test_environment_of_other_requirements_has_a_folder_of_its_own():
    assert Peer("one", ("a==1",)).key != Peer("one", ("a==2",)).key
    assert Peer("one", ("a==1", "b==1")).key == Peer("one", ("b==1", "a==1")).key


def test_folder_is_what_the_variable_names(monkeypatch, tmp_path):
    monkeypatch.setenv("REALTIME_PEERS_DIR", str(tmp_path))
    assert folder() == tmp_path
    monkeypatch.delenv("REALTIME_PEERS_DIR")
    assert folder().name == ".peers"


@pytest.mark.peers
def test_environment_left_half_made_is_made_anew_and_a_whole_one_is_kept(tmp_path):
    half = tmp_path / f"nothing-{PIP_ALONE.key}" / "bin" / "python"
    half.parent.mkdir(parents=True)
    half.write_text("not a program")
    python = python_of(PIP_ALONE, tmp_path)
    assert subprocess.check_output([python, "-c", "print('runs')"], text=True) == "runs\n"
    made_at = python.lstat().st_mtime_ns
    assert python_of(PIP_ALONE, tmp_path) == python
    assert python.lstat().st_mtime_ns == made_at


@pytest.mark.peers
def test_environment_that_cannot_be_made_says_why_and_leaves_none_behind(tmp_path):
    wrong = Peer("wrong", ("./there-is-no-such-package",))
    with pytest.raises(
        PeerEnvironmentError, match=r"(?s)'wrong'.*exit status 1.*pip install.*there-is-no-such-package"
    ):
        python_of(wrong, tmp_path)
    assert not (tmp_path / f"wrong-{wrong.key}" / "complete").exists()
