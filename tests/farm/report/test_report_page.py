"""The page as a file: whole or not there, with what it needs inside, and everything from outside escaped."""

import html
import re
from html.parser import HTMLParser
from importlib.metadata import PackageNotFoundError
from stat import S_IMODE

import attrs
import pytest
from sample import plan, write_run

from engine.errors import ConfigError, FarmError
from engine.farm.report import page as page_room
from engine.farm.report import report as report_room
from engine.farm.report import write_report
from engine.farm.report.reading import read_run

MOST_BYTES = 3 * 2**20
"""Of a page without audio: Plotly packed, and a hundred sessions."""

LABEL = "</script><img src=x onerror=alert(1)>"


class Elements(HTMLParser):
    """All elements, with their attributes."""

    def __init__(self):
        super().__init__()
        self.found, self.inside, self.script = [], "", ""

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "script" and "type" not in self.found[-1][1]:
            self.script += data


def elements(path):
    parser = Elements()
    parser.feed(path.read_text("utf-8"))
    return parser


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "run", sessions=96, sounds=3)


def test_the_page_needs_nothing_beside_it(run):
    page = write_report(run)
    assert page == run / "report.html"
    addresses = [
        attributes[name] for _, attributes in elements(page).found for name in ("src", "href") if attributes.get(name)
    ]
    assert all(address.startswith("#") for address in addresses)
    assert page.stat().st_size < MOST_BYTES + 4 * 2**20


def test_only_its_owner_reads_what_people_said(run, tmp_path):
    page = write_report(run, out=tmp_path / "page.html")
    assert S_IMODE(page.stat().st_mode) == 0o600


def test_without_audio_it_is_small(run, tmp_path):
    page = write_report(run, out=tmp_path / "page.html", embedded_audio_bytes=0)
    assert page.stat().st_size < MOST_BYTES
    assert 'id="sound-' not in page.read_text("utf-8")
    assert "Audio of 0 of " in page.read_text("utf-8")


def test_audio_of_what_failed_comes_first(run, tmp_path):
    def inside(most_bytes):
        page = write_report(run, out=tmp_path / "page.html", embedded_audio_bytes=most_bytes).read_text("utf-8")
        return [int(number) for number in re.findall(r'id="sound-(\d+)-', page)]

    every = inside(2**30)
    assert every[-3:] == [0, 1, 2]  # these passed
    assert min(every[:-3]) > 2
    (first,) = run.glob(f"sessions/*/*-{every[0]}-1/audio.flac")
    assert inside(first.stat().st_size) == every[:1]
    assert inside(first.stat().st_size - 1) == []


def test_what_an_audio_file_is_not_stays_outside(tmp_path):
    folder = write_run(tmp_path / "run", sessions=12, sounds=2)
    (audio,) = folder.glob("sessions/*/*-0-1/audio.flac")
    audio.unlink()
    audio.symlink_to("/etc/hostname")
    assert 'id="sound-0-1"' not in write_report(folder).read_text("utf-8")


def test_its_only_script_is_the_one_that_the_policy_names(run):
    parsed = elements(write_report(run))
    policy = next(a["content"] for t, a in parsed.found if a.get("http-equiv") == "Content-Security-Policy")
    assert [a for t, a in parsed.found if t == "script" and a.get("type") != "text/plain"] == [{}]
    assert page_room.content_security_policy((parsed.script, page_room.plotly_script())) == policy
    handlers = [name for _, attributes in parsed.found for name in attributes if name.startswith("on")]
    assert handlers == []


def test_hostile_words_are_text_in_the_page(tmp_path):
    made = attrs.evolve(plan(sessions=12), name=LABEL)

    def hostile(result):
        verdicts = tuple(attrs.evolve(one, expected=LABEL, found=LABEL, held=False) for one in result.verdicts)
        return attrs.evolve(result, error=LABEL, error_kind="service", status="error", worker=LABEL, verdicts=verdicts)

    page = write_report(write_run(tmp_path / "run", the_plan=made, sounds=0, change=hostile))
    assert [tag for tag, _ in elements(page).found if tag == "img"] == []
    assert html.escape(LABEL, quote=False) in page.read_text("utf-8")


def test_a_page_that_cannot_be_written_leaves_the_old_one(run, tmp_path, monkeypatch):
    page = write_report(run, out=tmp_path / "page.html")
    before = page.read_bytes()

    def full(data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(page_room, "packed", full)
    page_room._packed_plotly.cache_clear()
    with pytest.raises(OSError, match="No space"):
        write_report(run, out=page)
    assert page.read_bytes() == before
    assert list(tmp_path.iterdir()) == [page]


def test_a_place_that_is_not_there_is_told_in_one_line(run, tmp_path):
    with pytest.raises(FarmError, match=r"can't be written: No such file or directory \| ") as refused:
        write_report(run, out=tmp_path / "none" / "page.html")
    assert "\n" not in str(refused.value)


def test_a_full_disk_leaves_nothing_behind(run, tmp_path):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(FarmError, match="can't be written: File too large"):
            write_report(run, out=tmp_path / "page.html")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_library_is_named_with_its_extra(run, monkeypatch):
    there = page_room.importlib.import_module

    def missing(name, *rest):
        if name == "jinja2":
            raise ModuleNotFoundError(name)
        return there(name, *rest)

    monkeypatch.setattr(page_room.importlib, "import_module", missing)
    with pytest.raises(ConfigError, match=r"jinja2 is not installed \| pip install 'realtime-engine\[farm\]'"):
        write_report(run)


def test_a_run_without_sessions_has_a_page(tmp_path):
    from engine.farm.ledger import Ledger

    with Ledger.create(tmp_path / "run", plan(sessions=12)) as ledger:
        ledger.begin_session()
    page = write_report(tmp_path / "run").read_text("utf-8")
    assert "No session has ended yet." in page
    assert "Every session passed" not in page
    assert "takes the filters off" not in page
    assert re.search(r"\sCharts by Plotly\.", page)
    assert "The run is not over" in page


def one_session():
    whole = plan(sessions=12, voices=("alloy",))
    scenario = attrs.evolve(whole.scenarios[0], rows=whole.scenarios[0].rows[:1], repeat=1)
    return attrs.evolve(whole, scenarios=(scenario,), thresholds=whole.thresholds[2:3])


def test_one_is_no_crowd(tmp_path):
    def passed(result):
        return attrs.evolve(result, status="passed", error_kind=None, error="")

    folder = write_run(tmp_path / "run", the_plan=one_session(), sounds=0, finish=False, change=passed)
    page = write_report(folder).read_text("utf-8")
    assert "those of 1 session so far" in page
    assert ">1 session<" in page
    assert "The threshold holds" in page
    assert "1 sessions" not in page


def test_audio_that_went_away_meanwhile_is_left_out(tmp_path):
    folder = write_run(tmp_path / "run", sessions=12, sounds=1)
    sounds = read_run(folder, lambda result: {}).sounds
    for audio in folder.glob("sessions/*/*/audio.flac"):
        audio.unlink()
    assert list(report_room._in_page(sounds, folder)) == []


def test_a_checkout_that_is_not_installed_has_no_version(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(page_room, "version", missing)
    assert page_room._version() == ""
