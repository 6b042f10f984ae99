"""`realtime-engine farm run` as a program: it runs, stops, goes on, shows itself, and its code tells how it went."""

import os
import pty
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from engine.cli import exits
from engine.farm.ledger import Ledger

PLAN = """
name = "Greetings & more"
thresholds = ["error_rate < 1%", "{threshold}"]
[caps]
sessions = 4
starts_per_s = 50
[[scenario]]
name = "hello"
repeat = {sessions}
turns = [{turns}]
expect = [{{ contains = "{word}" }}]
"""

QUICK = '{ type = "Good morning" }'
SLOW = '{ type = "Good morning" }, { wait_s = 60 }'


@pytest.fixture
def plan(tmp_path):
    def write(*, sessions=4, turns=QUICK, word="good", threshold="p95(time_to_first_audio) < 20s"):
        text = PLAN.format(sessions=sessions, turns=turns, word=word, threshold=threshold)
        (tmp_path / "plan.toml").write_text(text)
        return str(tmp_path / "plan.toml")

    return write


class Farm(subprocess.Popen):
    """The command, in a folder of its own."""

    def __init__(self, folder, *arguments):
        words = [sys.executable, "-m", "engine", "farm", "run", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
        environment.pop("OPENAI_API_KEY", None)
        super().__init__(words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def until(self, words):
        """Read lines until one holds these words."""
        lines = []
        while not lines or words not in lines[-1]:
            lines.append(self.stdout.readline())
            assert lines[-1], (lines, self.stderr.read())
        return lines


def ran(folder, *arguments):
    with Farm(folder, *arguments) as farm:
        try:
            shown, said = farm.communicate(timeout=60)
        finally:
            farm.kill()
    return farm.returncode, shown, said


def results(folder):
    return list(Ledger.open(folder, write=False).results())


def test_a_run_tells_what_came_of_it_and_where(tmp_path, plan):
    code, shown, said = ran(tmp_path, plan())
    (folder,) = (tmp_path / "farm-runs").iterdir()

    assert (code, said) == (exits.OK, "")
    assert re.fullmatch(r"greetings-more-\d{8}-\d{6}", folder.name)
    assert "4 of 4 done" in shown
    assert "✓ 0 %" in shown
    assert f"report   {folder.relative_to(tmp_path)}/report.html" in shown
    assert (folder / "report.html").stat().st_size > 10_000
    assert [result.status for result in results(folder)] == ["passed"] * 4
    assert "\x1b" not in shown

    # Without a folder, --resume finds the newest run of the plan: there is nothing left to do.
    code, shown, said = ran(tmp_path, "plan.toml", "--resume", "--no-report")
    assert (code, said) == (exits.OK, "")
    assert "4 of 4 done" in shown
    assert list((tmp_path / "farm-runs").iterdir()) == [folder]


def test_a_threshold_that_is_crossed_decides_the_code(tmp_path, plan):
    code, shown, said = ran(tmp_path, plan(sessions=2, word="rhubarb", threshold="failure_rate < 10%"), "--out", "run")

    assert code == exits.CROSSED
    assert said == "realtime-engine: 1 of 2 thresholds crossed: failure_rate < 10%\n"
    assert "✗ 100 %" in shown
    assert "call 0  hello:" in shown
    assert "rhubarb" in shown
    named = [line.strip() for line in shown.splitlines() if line.endswith(".flac")]
    assert len(named) == 2
    assert all((tmp_path / path).exists() for path in named)


def test_ctrl_c_lets_sessions_end_and_the_last_line_says_how_to_go_on(tmp_path, plan):
    path = plan(sessions=6, turns='{ type = "Good morning" }, { wait_s = 0.5 }')
    with Farm(tmp_path, path, "--out", "run") as farm:
        farm.until("active 4")
        farm.send_signal(signal.SIGINT)
        shown, said = farm.communicate(timeout=60)
    done = results(tmp_path / "run")

    assert farm.returncode == exits.STOPPED
    assert "Ctrl-C: nothing more starts, 4 sessions may end within 30.0 s; again ends them at once" in shown
    assert said.splitlines() == [
        f"realtime-engine: stopped | go on with: realtime-engine farm run {path} --resume --out run"
    ]
    assert {result.status for result in done} == {"passed"}
    assert len(done) < 6

    code, shown, said = ran(tmp_path, path, "--resume", "--out", "run")
    assert (code, said) == (exits.OK, "")
    assert sorted(result.job for result in results(tmp_path / "run")) == list(range(6))


def test_a_second_ctrl_c_ends_at_once_and_the_run_goes_on_without_its_plan(tmp_path, plan):
    with Farm(tmp_path, plan(sessions=2, turns=SLOW), "--out", "run", "--workers", 2) as farm:
        farm.until("active 2")
        farm.send_signal(signal.SIGINT)
        farm.until("Ctrl-C: nothing more starts")
        farm.send_signal(signal.SIGTERM)
        shown, said = farm.communicate(timeout=20)

    assert farm.returncode == exits.STOPPED
    assert "Ctrl-C again: all sessions are being ended" in shown
    assert "2 sessions are still to be had" in shown
    assert "realtime-engine farm report run" in shown
    assert said.splitlines()[-1].endswith("--resume --out run --workers 2")
    assert results(tmp_path / "run") == []


def test_the_page_and_prometheus_show_the_run_while_it_goes_on(tmp_path, plan):
    with Farm(tmp_path, plan(turns=SLOW), "--out", "run", "--web", 0, "--grace-s", 0.2) as farm:
        url = re.search(r"http://127\.0\.0\.1:\d+/", farm.until("page ")[-1]).group()
        farm.until("active 4")
        with urllib.request.urlopen(f"{url}metrics", timeout=10) as answer:
            figures = answer.read().decode()
        with urllib.request.urlopen(url, timeout=10) as answer:
            page = answer.read().decode()
        with urllib.request.urlopen(f"{url}events", timeout=10) as events:
            told = [events.readline().decode() for _ in range(5)]
            farm.send_signal(signal.SIGINT)
            rest = events.read().decode()
        farm.communicate(timeout=20)

    assert "<title>A run</title>" in page
    assert 'plan="Greetings & more"' in figures
    assert told[0] == "event: history\n"
    assert "event: over" in rest
    assert "The run is over: Ctrl-C." in rest
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=5)


def test_on_a_terminal_it_has_a_screen_and_leaves_the_summary(tmp_path, plan):
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "engine", "farm", "run", plan(), "--out", "run", "--no-report"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path.cwd()),
        "TERM": "xterm-256color",
        "COLUMNS": "90",
        "LINES": "30",
    }
    with subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=theirs, stderr=theirs) as farm:
        os.close(theirs)
        shown = b""
        while True:
            try:
                more = os.read(ours, 65_536)
            except OSError:
                break
            shown += more
            if not more:
                break
        farm.wait(timeout=60)
    os.close(ours)
    text = shown.decode()

    assert farm.returncode == exits.OK
    assert "\x1b[?25l" in text  # the cursor goes, and comes back
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "━" in text
    assert "all jobs are done" in text[text.rindex("\x1b[?25h") :]


def test_what_a_run_left_is_told_as_a_page_as_tables_and_beside_another_run(tmp_path, plan, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command("farm", "run", plan(sessions=2), "--out", "one", "--no-report").code == exits.OK

    shown = command("farm", "report", "one", "--out", "page.html")
    assert (shown.code, shown.out) == (exits.OK, "page.html\n")
    assert Path("page.html").read_text().startswith("<!doctype html>")

    shown = command("farm", "export", "one", "--format", "jsonl", "--out", "tables")
    assert shown.code == exits.OK
    assert {Path(line).name for line in shown.out.splitlines()} >= {"sessions.jsonl", "turns.jsonl", "metrics.jsonl"}
    assert len(Path("tables/sessions.jsonl").read_text().splitlines()) == 2

    shown = command("farm", "compare", "one", "one", "--out", "change.html")
    assert shown.code == exits.OK, shown.err
    assert Path("change.html").exists()
    assert "nothing changed beyond noise" in shown.out


def test_a_run_in_which_every_session_broke_is_no_success(command, tmp_path, monkeypatch, plan):
    monkeypatch.chdir(tmp_path)
    text = Path(plan(sessions=1)).read_text().split("\n", 3)
    nobody = '[target]\nkind = "url"\nurl = "ws://127.0.0.1:1/v1"\n[retries]\nattempts = 1\n'
    (tmp_path / "plan.toml").write_text("\n".join([text[0], text[1], nobody, text[3]]))
    shown = command("farm", "run", "plan.toml", "--out", "run", "--no-report")

    assert shown.code == exits.SERVICE
    assert "every session broke" in shown.err
    assert "call 0  hello:" in shown.out


def test_a_plan_is_explained_before_it_runs(command, plan):
    shown = command("farm", "check", plan())

    assert shown.code == exits.OK
    assert "4 sessions" in shown.out
    assert "the simulator" in shown.out


@pytest.mark.parametrize("name", ["report", "export", "compare"])
def test_a_folder_without_a_run_is_one_line(command, tmp_path, name):
    folders = [tmp_path / "nothing"] * (2 if name == "compare" else 1)
    shown = command("farm", name, *folders)

    assert shown.code == exits.USAGE
    assert len(shown.err.splitlines()) == 1
    assert "nothing" in shown.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "farm run needs a plan"),
        (["--resume"], "name its plan, or its folder"),
        (["missing.toml"], "missing.toml"),
        (["plan.toml", "--workers", "0"], "--workers 0"),
        (["plan.toml", "--workers", "many"], "--workers"),
        (["plan.toml", "--sessions", "0"], "--sessions"),
        (["plan.toml", "--on", "kubernetes"], "allowed is ray"),
        (["plan.toml", "--resume"], "no run of Greetings & more in farm-runs"),
        (["plan.toml", "--resume", "--out", "nowhere"], "nowhere"),
        (["plan.toml", "--web", "70000"], "65535"),
        (["broken.toml"], "broken.toml:5: caps.sesions"),
    ],
)
def test_what_can_not_run_is_one_line(command, tmp_path, monkeypatch, plan, arguments, words):
    monkeypatch.chdir(tmp_path)
    plan()
    text = (tmp_path / "plan.toml").read_text()
    (tmp_path / "broken.toml").write_text(text.replace("sessions = 4", "sesions = 4"))
    shown = command("farm", "run", *arguments)

    assert shown.code == exits.USAGE
    assert len(shown.err.splitlines()) == 1, shown.err
    assert words in shown.err
    assert not (tmp_path / "farm-runs").exists()


def test_a_port_in_use_is_told_before_anything_starts(command, tmp_path, monkeypatch, plan):
    import socket

    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        shown = command("farm", "run", plan(), "--web", taken.getsockname()[1])

    assert shown.code == exits.USAGE
    assert "give another with --web" in shown.err
    assert not (tmp_path / "farm-runs").exists()


@pytest.mark.parametrize("module", ["ddsketch", "hypercorn", "prometheus_client"])
@pytest.mark.parametrize("name", ["check", "run", "report"])
def test_a_missing_library_is_named_with_its_extra(command, monkeypatch, tmp_path, plan, module, name):
    monkeypatch.setitem(sys.modules, module, None)
    shown = command("farm", name, plan())

    assert shown.code == exits.USAGE
    assert shown.err == f"realtime-engine: {module} is not installed | pip install 'realtime-engine[farm]'\n"
