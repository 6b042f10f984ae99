"""What a call that never began leaves, and its table. That of the story: test_demo_run.py."""

import io

from rich.console import Console

from engine.demo import summary
from engine.demo.production import Production, write_files
from engine.demo.screen import Screen


def test_a_call_that_never_began_leaves_no_files_and_a_table_without_figures(tmp_path):
    production = Production(Screen(Console(file=io.StringIO())), fast=False)
    production.recording.errors.append("it went wrong")

    assert write_files(production, tmp_path) == ()
    assert list(tmp_path.iterdir()) == []
    console = Console(file=io.StringIO(), width=100)
    console.print(summary.table(production, ()))
    shown = console.file.getvalue()
    assert "none" in shown
    assert "it went wrong" in shown
    assert "µs" not in shown
