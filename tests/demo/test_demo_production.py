"""What a call that never began leaves, and its table. That of the story: test_demo_run.py."""

import io

import pytest
from rich.console import Console

from engine.audio.pcm import silence
from engine.demo import summary
from engine.demo.production import Production, write_files
from engine.demo.screen import Screen
from engine.errors import ConfigError


def test_a_file_that_can_not_be_written_costs_the_others_nothing(tmp_path):
    production = Production(Screen(Console(file=io.StringIO())), fast=False)
    production.card.began = 0.0
    production.card.tape.caller += silence(1000)
    (tmp_path / "conversation.wav").mkdir()

    with pytest.raises(ConfigError, match="no WAV file made, Is a directory"):
        write_files(production, tmp_path)
    assert (tmp_path / "events.jsonl").is_file()
    assert (tmp_path / "timeline.png").is_file()


def test_a_call_that_never_began_leaves_no_files_and_a_table_without_figures(tmp_path):
    production = Production(Screen(Console(file=io.StringIO())), fast=False)
    production.recording.errors.append("it went wrong")

    assert write_files(production, tmp_path) == ()
    assert list(tmp_path.iterdir()) == []
    console = Console(file=io.StringIO(), width=100)
    console.print(summary.table(production))
    shown = console.file.getvalue()
    assert "none" in shown
    assert "it went wrong" in shown
    assert "µs" not in shown
