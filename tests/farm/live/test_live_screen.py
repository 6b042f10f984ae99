"""The terminal's screen: all figures where there is room, the important ones where there is little."""

import io

import pytest
from made_up_runs import HOSTILE, snapshot, worker
from rich.console import Console

from engine.farm.live.screen import RunPicture, RunScreen
from engine.farm.live.view import view_of
from engine.farm.plan.thresholds import read_threshold

THRESHOLDS = (read_threshold("p95(time_to_first_audio) < 900ms"), read_threshold("error_rate < 1%"))


def drawn(width=100, height=40, **changes):
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    console.print(RunPicture(view_of(snapshot(**changes), THRESHOLDS)))
    return console.file.getvalue()


def test_a_wide_screen_shows_it_all():
    shown = drawn()

    for words in (
        "spoken-prompts",
        "run 1f3a9c02",
        "312 of 500 done, 62%",
        "passed 300",
        "held back by: cap of sessions",
        "tries that broke: rate limited 5",
        "✗ 3.8 %",
        "✓ 789 ms",
        "p95(time_to_first_audio) < 900ms",
        "time to first audio",
        "worker-2  silent",
    ):
        assert words in shown


@pytest.mark.parametrize("width", [200, 100, 80, 79, 60, 40, 20])
@pytest.mark.parametrize("height", [60, 24, 12])
def test_no_line_is_wider_and_no_screen_higher_than_the_terminal(width, height):
    lines = drawn(width, height, workers=tuple(map(worker, range(50)))).splitlines()

    assert max(map(len, lines)) <= width
    # What stands above the tables is always shown; rich cuts it where not even that has room.
    assert len(lines) < height or width < 40 or height < 24


def test_a_terminal_that_knows_ascii_alone_tells_what_is_crossed_from_what_holds():
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    console = Console(file=file, width=100, height=40, force_terminal=True, color_system=None)
    console.print(RunPicture(view_of(snapshot(), THRESHOLDS)))
    file.flush()
    shown = file.buffer.getvalue().decode()

    assert "+ 789 ms" in shown
    assert "x 3.8 %" in shown


def test_what_has_no_room_is_counted():
    workers = tuple(worker(number) for number in range(50))
    shown = drawn(100, 24, workers=workers).splitlines()
    left_out = int(shown[-1].split()[2])

    assert left_out + sum("worker-" in line for line in shown) == 50


def test_figures_are_never_cut_in_a_narrow_screen():
    shown = drawn(40, 60)

    assert "✗ 3.8 %" in shown
    assert "p95(time_to_first_audio) <" in shown
    assert "907 ms" in shown


def test_names_of_others_steer_nothing():
    shown = drawn(name=HOSTILE, held_back=HOSTILE, errors={HOSTILE: 3}, workers=(worker(HOSTILE),))

    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\\x1b[2J" in shown
    assert "[bold]" in drawn(name="[bold]x")


def test_the_screen_is_drawn_in_place_and_leaves_nothing_behind():
    console = Console(file=io.StringIO(), width=90, height=30, force_terminal=True)
    with RunScreen(console) as screen:
        screen.show(snapshot())
        drawn_first = console.file.getvalue()
        screen.show(snapshot(active=49))
    shown = console.file.getvalue()

    assert "spoken-prompts" in drawn_first
    assert shown.count("spoken-prompts") >= 2
    assert "\x1b[1A" in shown[len(drawn_first) :]
    assert shown.endswith(("\x1b[2K", "\x1b[?25h", "\x1b[1A\x1b[2K"))


def test_a_run_that_has_only_begun_has_a_screen():
    shown = drawn(phase="starting", jobs=None, left_s=None, done={}, errors={}, workers=(), held_back="")

    assert "0 done · 2 min 14 s" in shown
    assert "workers are starting" in shown
    assert "held back" not in shown
