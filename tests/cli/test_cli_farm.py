"""`realtime-engine farm` as its user meets it: it runs, stops, goes on and shows itself; its code tells how it went."""

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from engine.cli import exits
from engine.cli.farm_options import RunOptions
from engine.cli.farm_run import resume_command
from engine.cli.farm_watch import signals_in_words
from engine.farm.ledger import Ledger
from engine.farm.live.telemetry import RunTelemetry
from engine.farm.plan.load import load_plan
from engine.farm.run import GRACE_S, Run
from engine.simulator import INSTANT, ScriptedResponder, SimulatorSettings
from engine.testing import simulator_in_thread

PLAN = """
name = "Greetings & more"
thresholds = ["error_rate < 1%", "{threshold}"]
{target}
[caps]
sessions = 4
starts_per_s = 50
{session}
[[scenario]]
name = "hello"
repeat = {sessions}
turns = [{turns}]
expect = [{{ contains = "{word}" }}]
"""

TYPED = '[session]\noutput_modalities = ["text"]'
QUICK = '{ type = "Good morning" }'
SLOW = '{ type = "Good morning" }, { wait_s = 60 }'


@pytest.fixture(scope="module")
def simulator():
    with simulator_in_thread(SimulatorSettings(pace=INSTANT)) as running:
        yield running


def at(simulator):
    return f'[target]\nkind = "url"\nurl = "{simulator.base_url}"'


@pytest.fixture
def plan(tmp_path, simulator):
    def write(
        *, sessions=4, turns=QUICK, word="good", threshold="p95(response_time) < 20s", session=TYPED, target=None
    ):
        given = at(simulator) if target is None else target
        text = PLAN.format(
            sessions=sessions, turns=turns, word=word, threshold=threshold, session=session, target=given
        )
        (tmp_path / "plan.toml").write_text(text)
        return str(tmp_path / "plan.toml")

    return write


class Holding(ScriptedResponder):
    """Answers when it may."""

    def __init__(self, may):
        super().__init__()
        self._may = may

    async def answer(self, prompt):
        while not self._may.is_set():  # noqa: ASYNC110 - another thread sets it
            await trio.sleep(0.005)
        return await super().answer(prompt)


@pytest.fixture
def told_to_finish(monkeypatch):
    """Is set once a run was told that nothing more may start."""
    told, finish = threading.Event(), Run.finish

    def finish_and_tell(run, why):
        finish(run, why)
        told.set()

    monkeypatch.setattr(Run, "finish", finish_and_tell)
    return told


@pytest.fixture
def held(told_to_finish):
    """Serve sessions that don't end before nothing more may start."""
    with simulator_in_thread(SimulatorSettings(pace=INSTANT), lambda: Holding(told_to_finish)) as running:
        yield running


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Farm(subprocess.Popen):
    """The command as a program of its own."""

    def __init__(self, folder, *arguments, **how):
        words = [sys.executable, "-m", "engine", "farm", "run", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **how.pop("environment", {})}
        environment.pop("OPENAI_API_KEY", None)
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        super().__init__(words, cwd=folder, env=environment, **{**streams, **how})

    def until(self, words):
        """Read lines until one holds these words."""
        lines = []
        while not lines or words not in lines[-1]:
            lines.append(self.stdout.readline())
            assert lines[-1], (lines, self.stderr.read())
        return lines


@contextmanager
def meanwhile(simulator, sessions, act):
    """Do something in another thread once so many sessions run."""
    faults, over = [], threading.Event()

    def wait_and_act():
        try:
            while simulator.active_sessions != sessions:
                assert not over.wait(0.005), "it ended before so many sessions ran"
            act()
        except BaseException as fault:  # noqa: BLE001 - told by the test's own thread
            faults.append(fault)

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(60)
    assert not faults


def press(*signals):
    """Press Ctrl-C and the like, at once: the command in this process gets them."""
    for number in signals:
        os.kill(os.getpid(), number)


def results(folder):
    return list(Ledger.open(folder, write=False).results())


def test_a_run_tells_what_came_of_it_and_where(command, here, plan):
    shown = command("farm", "run", plan())
    (folder,) = (here / "farm-runs").iterdir()

    assert (shown.code, shown.err) == (exits.OK, "")
    assert re.fullmatch(r"greetings-more-\d{8}-\d{6}", folder.name)
    assert "4 of 4 done" in shown.out
    assert "✓ 0 %" in shown.out
    assert f"report   {folder.relative_to(here)}/report.html" in shown.out
    assert (folder / "report.html").stat().st_size > 10_000
    assert [result.status for result in results(folder)] == ["passed"] * 4
    assert "\x1b" not in shown.out

    # Without a folder, --resume finds the newest run of the plan: there is nothing left to do.
    shown = command("farm", "run", "plan.toml", "--resume", "--no-report")
    assert (shown.code, shown.err) == (exits.OK, "")
    assert "4 of 4 done" in shown.out
    assert list((here / "farm-runs").iterdir()) == [folder]


def test_a_threshold_that_is_crossed_decides_the_code(command, here, plan):
    path = plan(sessions=2, word="rhubarb", threshold="failure_rate < 10%", session="")
    shown = command("farm", "run", path, "--out", "run", "--no-report")

    assert shown.code == exits.CROSSED
    assert shown.err == "realtime-engine: 1 of 2 thresholds crossed: failure_rate < 10%\n"
    assert "✗ 100 %" in shown.out
    assert "call 0  hello:" in shown.out
    assert "rhubarb" in shown.out
    named = [line.strip() for line in shown.out.splitlines() if line.endswith(".flac")]
    assert len(named) == 2
    assert all((here / path).exists() for path in named)


def test_ctrl_c_lets_sessions_end_and_the_last_line_says_how_to_go_on(command, here, plan, held):
    path = plan(sessions=6, target=at(held))
    with meanwhile(held, 4, lambda: press(signal.SIGINT)):
        shown = command("farm", "run", path, "--out", "run", "--no-report")
    done = results("run")

    assert shown.code == exits.STOPPED
    assert "Ctrl-C: nothing more starts, 4 sessions may end within 30.0 s; again ends it at once" in shown.out
    assert shown.err.splitlines() == [
        f"realtime-engine: stopped | go on with: realtime-engine farm run {path} --resume --out run --no-report"
    ]
    assert {result.status for result in done} == {"passed"}
    assert len(done) == 4

    shown = command("farm", "run", path, "--resume", "--out", "run", "--no-report")
    assert (shown.code, shown.err) == (exits.OK, "")
    assert sorted(result.job for result in results("run")) == list(range(6))


def test_ctrl_c_when_nothing_is_left_to_do_stops_nothing(command, here, plan, held):
    path = plan(target=at(held))
    with meanwhile(held, 4, lambda: press(signal.SIGINT)):
        shown = command("farm", "run", path, "--out", "run", "--no-report")

    assert "Ctrl-C: nothing more starts" in shown.out
    assert (shown.code, shown.err) == (exits.OK, "")


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGHUP])
def test_a_third_signal_waits_for_nothing_and_the_run_can_still_go_on(
    command, here, plan, simulator, told_to_finish, first
):
    path = plan(turns=SLOW)

    def act():
        press(first)
        assert told_to_finish.wait(60)
        press(signal.SIGINT, signal.SIGTERM)  # So close that the second can't have ended the run before the third.

    with meanwhile(simulator, 4, act):
        shown = command("farm", "run", path, "--out", "run", "--grace-s", 50)

    assert shown.code == exits.STOPPED
    assert shown.err == (
        f"realtime-engine: stopped | go on with: realtime-engine farm run {path} --resume --out run --grace-s 50\n"
    )
    assert results("run") == []
    with Ledger.open("run"):
        pass  # Nobody holds it.


def test_a_signal_that_is_to_be_ignored_ends_nothing():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert set(signals_in_words().values()) == {"Ctrl-C", "SIGTERM"}
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signals_in_words()[signal.SIGHUP] == "the terminal is gone"


def test_ctrl_c_in_the_report_tells_that_the_run_is_whole(command, here, plan, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.cli.farm_end.write_report", interrupted)
    shown = command("farm", "run", plan(sessions=1), "--out", "a run")

    assert shown.code == exits.STOPPED
    assert shown.err == (
        "realtime-engine: stopped while the report was written; the run is whole | "
        "realtime-engine farm report 'a run'\n"
    )
    assert len(results("a run")) == 1


def test_ctrl_c_before_there_is_anything_to_go_on_with_names_no_way_on(command, here, plan, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.cli.farm_run.trio.run", interrupted)
    shown = command("farm", "run", plan(), "--out", "run")

    assert (shown.code, shown.err) == (exits.STOPPED, "realtime-engine: stopped\n")


@pytest.mark.peers
def test_the_program_with_workers_ends_at_once_on_a_second_ctrl_c_and_leaves_nothing(tmp_path, plan):
    path = plan(sessions=2, turns=SLOW, target="")
    with Farm(tmp_path, path, "--out", "run", "--workers", 2, start_new_session=True) as farm:
        farm.until("active 2")
        os.killpg(farm.pid, signal.SIGINT)
        farm.until("Ctrl-C: nothing more starts")
        os.killpg(farm.pid, signal.SIGINT)
        shown, said = farm.communicate(timeout=60)

    assert farm.returncode == exits.STOPPED
    assert "Ctrl-C: all sessions are being ended" in shown
    assert "2 sessions still to run" in shown
    assert "realtime-engine farm report run" in shown
    assert said.splitlines() == [f"realtime-engine: stopped | go on with: {again(path)}"]
    assert results(tmp_path / "run") == []
    with pytest.raises(ProcessLookupError):
        os.killpg(farm.pid, 0)


def again(path):
    return resume_command(Path(path), RunOptions(workers=2), Path("run"))


def test_the_command_that_goes_on_has_all_that_the_first_had():
    asked = RunOptions(sessions=7, workers="auto", on="ray", grace_s=2.5, web=0, web_host="0.0.0.0", no_report=True)
    assert resume_command(None, asked, Path("a run")) == (
        "realtime-engine farm run --resume --out 'a run' --sessions 7 --workers auto --on ray --grace-s 2.5 --web 0 "
        "--web-host 0.0.0.0 --no-report"
    )


def test_sessions_end_within_the_same_time_however_a_run_is_begun():
    assert RunOptions().grace_s == GRACE_S


def test_the_page_and_prometheus_show_the_run_while_it_goes_on(command, here, plan, simulator):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url, seen = f"http://127.0.0.1:{port}/", {}

    def look():
        figures = ""
        while "realtime_farm_sessions_active 4.0" not in figures:
            figures = read(f"{url}metrics")
        seen.update(figures=figures, page=read(url))
        with urllib.request.urlopen(f"{url}events", timeout=10) as events:
            seen["told"] = events.readline().decode()
            press(signal.SIGINT)
            seen["rest"] = events.read().decode()

    with meanwhile(simulator, 4, look):
        shown = command("farm", "run", plan(turns=SLOW), "--out", "run", "--web", port, "--grace-s", 0.1, "--no-report")

    assert shown.code == exits.STOPPED
    assert f"page     {url}" in shown.out
    assert "<title>A run</title>" in seen["page"]
    assert 'plan="Greetings & more"' in seen["figures"]
    assert seen["told"] == "event: history\n"
    assert "event: over" in seen["rest"]
    assert "The run is over: Ctrl-C." in seen["rest"]
    with pytest.raises(urllib.error.URLError):
        read(url)


class Blind:
    def show(self, _):
        raise ZeroDivisionError


def test_who_can_not_be_shown_the_run_does_not_end_it(command, here, plan, monkeypatch):
    monkeypatch.setattr("engine.cli.farm_watch.open_run_telemetry", Blind)

    assert command("farm", "run", plan(sessions=1), "--out", "run", "--no-report").code == exits.OK


def test_what_opentelemetry_reads_when_the_program_ends_is_the_whole_run(command, here, plan, monkeypatch):
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    telemetry = RunTelemetry(metrics, provider.get_meter("test"))
    monkeypatch.setattr("engine.cli.farm_watch.open_run_telemetry", lambda: telemetry)
    assert command("farm", "run", plan(sessions=3), "--out", "run", "--no-report").code == exits.OK
    (scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
    provider.shutdown()

    (done,) = [metric for metric in scope.metrics if metric.name == "realtime.farm.sessions.done"]
    assert {point.attributes["realtime.farm.status"]: point.value for point in done.data.data_points} == {
        "passed": 3,
        "failed": 0,
        "error": 0,
        "lost": 0,
    }


def read(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def test_on_a_terminal_it_has_a_screen_and_leaves_the_summary(tmp_path, plan):
    ours, theirs = pty.openpty()
    terminal = {"TERM": "xterm-256color", "COLUMNS": "90", "LINES": "30"}
    how = {"stdout": theirs, "stderr": theirs, "environment": terminal}
    with Farm(tmp_path, plan(), "--out", "run", "--no-report", **how) as farm:
        os.close(theirs)
        shown = b"".join(iter(lambda: read_terminal(ours), b""))
        farm.wait(timeout=60)
    os.close(ours)
    text = shown.decode()

    assert farm.returncode == exits.OK
    assert "\x1b[?25l" in text  # the cursor goes, and comes back
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "━" in text
    assert "all jobs are done" in text[text.rindex("\x1b[?25h") :]


def test_the_summary_fits_a_narrow_terminal(tmp_path, plan):
    ours, theirs = pty.openpty()
    terminal = {"TERM": "xterm-256color", "COLUMNS": "40", "LINES": "30"}
    how = {"stdout": theirs, "stderr": theirs, "environment": terminal}
    with Farm(tmp_path, plan(), "--out", "run", "--no-report", **how) as farm:
        os.close(theirs)
        shown = b"".join(iter(lambda: read_terminal(ours), b""))
        farm.wait(timeout=60)
    os.close(ours)
    summary = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode().rpartition("\x1b[?25h")[2])

    (response_time,) = [line for line in summary.splitlines() if line.startswith("response time ")]
    assert re.fullmatch(r"response time +[\d.]+ ms *", response_time)
    assert "p95" in summary
    assert "p50" not in summary


def read_terminal(terminal):
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""


def test_what_a_run_left_is_told_as_a_page_as_tables_and_beside_another_run(plan, command, here):
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
    assert "no figure changed beyond noise" in shown.out


def test_a_run_in_which_every_session_broke_is_no_success(command, here, plan):
    nobody = '[target]\nkind = "url"\nurl = "ws://127.0.0.1:1/v1"\n[retries]\nattempts = 1\n'
    text = Path(plan(sessions=1, target=nobody)).read_text()
    Path("plan.toml").write_text("".join(line for line in text.splitlines(keepends=True) if "thresholds" not in line))
    shown = command("farm", "run", "plan.toml", "--out", "run", "--no-report")

    assert shown.code == exits.CONNECTION
    assert shown.err == "realtime-engine: every session broke | why is told above, and in the report\n"
    assert "call 0  hello:" in shown.out


def test_a_plan_is_explained_before_it_runs(command, plan):
    shown = command("farm", "check", plan())

    assert shown.code == exits.OK
    assert "4 sessions" in shown.out
    assert "127.0.0.1" in shown.out


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
        (["broken.toml"], "broken.toml:8: caps.sesions"),
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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "taken"], "taken"),
        (["--out", "a-file"], "a-file"),
        (["--on", "ray"], "Ray is not installed"),
        (["--resume", "--out", "taken", "--web", "0"], "taken"),
        (["--workers", "99999"], "more processes than this machine has memory for"),
    ],
)
def test_of_a_run_that_can_not_begin_nothing_is_printed_but_why(command, here, monkeypatch, plan, arguments, words):
    (here / "a-file").write_text("mine")
    monkeypatch.setitem(sys.modules, "ray", None)
    with Ledger.create(here / "taken", load_plan(plan())):
        shown = command("farm", "run", plan(), *arguments)

    assert shown.code == exits.USAGE
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1
    assert words in shown.err
    assert not (here / "farm-runs").exists()


def test_a_port_in_use_is_told_before_anything_starts(command, tmp_path, monkeypatch, plan):
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
