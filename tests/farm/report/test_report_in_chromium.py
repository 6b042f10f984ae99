"""The report in a real browser, from a file: sort, filter, search, keys, timeline, audio, hostile texts, many rows."""

import re
import time
from pathlib import Path

import attrs
import pytest
from chromium import MISSING
from sample import plan, write_run

from engine.farm.job import KeptFile, ToolUse
from engine.farm.report import compare, write_comparison, write_report

pytestmark = [pytest.mark.skipif(MISSING is not None, reason=str(MISSING)), pytest.mark.peers]

WAIT_S = 30

LABEL = "</script><img src=x onerror=window.owned=5>"
LANES = ("caller", "agent", "heard", "tool")
HOSTILE = (
    "</script><script>window.owned = 1</script><img src=x onerror='window.owned = 2'>"
    '"><svg onload=window.owned=3> <a href="javascript:window.owned=4">x</a> \u2028\u2029\u202e {{ 7 * 7 }} ${1} <!--'
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of about 60 sessions, with its page."""
    folder = write_run(tmp_path_factory.mktemp("runs") / "run", sessions=60, sounds=3)
    write_report(folder)
    return folder


class Page:
    """What a reader does with a page, and sees of it."""

    def __init__(self, browser, path, hash_="", *, charts=False):
        self.browser, self.path = browser, Path(path).resolve()
        self.load(hash_, charts=charts)

    def load(self, hash_="", *, charts=False):
        """Open it in the browser, from the file."""
        self.browser.get("about:blank")
        self.browser.get_log("browser")  # what was said so far is of another page
        self.browser.get(self.path.as_uri() + hash_)
        self.until("document.body.dataset.charts" if charts else "document.body.dataset.ready")

    def begin(self, hash_=""):
        """Be as it was when it was loaded; load it anew only where another page is in the browser."""
        if self.browser.current_url.partition("#")[0] != self.path.as_uri():
            self.load()
        self.js("document.activeElement.blur(), document.getElementById('list').scrollTop = 0")
        self.go("#sort=job", "location.hash === ''")
        self.js("window.scrollTo(0, 0)")
        if hash_:
            self.go(hash_, f"location.hash === '{hash_}'")
        return self

    def go(self, hash_, condition):
        """Write into the address, as a link does, and wait until the page has read it."""
        self.js(
            "void (window.went = false, addEventListener('hashchange', () => { window.went = true; }, {once: true}))"
        )
        self.js("void (location.hash = arguments[0])", hash_)
        self.until(f"window.went && {condition}")

    def js(self, script, *arguments):
        return self.browser.execute_script(f"return {script}", *arguments)

    def until(self, condition):
        """Wait for what a script says, at most so long that only a fault takes longer."""
        end = time.monotonic() + WAIT_S
        while not self.js(condition):
            assert time.monotonic() < end, f"{condition}: {self.browser.get_log('browser')}"
            time.sleep(0.02)

    def click(self, selector):
        element = self.browser.find_element("css selector", selector)
        self.js("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def type(self, selector, text):
        self.browser.find_element("css selector", selector).send_keys(text)

    def keys(self, *keys):
        self.browser.switch_to.active_element.send_keys(*keys)

    def calls(self):
        """Give the numbers of the calls in sight."""
        return [int(text.split()[-1]) for text in self.column(1)]

    def column(self, place):
        return self.js(
            f"[...document.querySelectorAll('#body tr[data-row] td:nth-child({place})')].map((e) => e.innerText)"
        )

    def count(self):
        return int(re.match(r"[\d,]+", self.js("document.getElementById('count').textContent"))[0].replace(",", ""))

    def title(self):
        return self.js("document.getElementById('session-title')?.innerText")

    def complaints(self):
        return [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture(scope="module")
def loaded(browser, run):
    return Page(browser, run / "report.html", charts=True)


@pytest.fixture
def page(loaded):
    """The run's page as a reader finds it; loaded once for all who leave it as it was."""
    return loaded.begin()


def head(name):
    return f"#rows th[data-key={name}] button"


# --- the list --------------------------------------------------------------------------------------------------------


def test_a_click_on_a_head_sorts_worst_first_and_another_turns_it_round(page):
    assert page.calls()[:3] == [0, 1, 2]
    page.click(head("first_audio_ms"))
    slowest = [_ms(text) for text in page.column(6)]
    assert slowest == sorted(slowest, reverse=True)
    assert (
        page.js("document.querySelector('#rows th[data-key=first_audio_ms]').getAttribute('aria-sort')") == "descending"
    )
    page.click(head("first_audio_ms"))
    quickest = [_ms(text) for text in page.column(6)]
    assert quickest == sorted(quickest)
    assert quickest[0] < slowest[0]
    assert "sort=first_audio_ms" in page.browser.current_url


def _ms(text):
    number, unit = text.replace(",", "").split()
    return float(number) * {"ms": 1, "s": 1000}[unit]


def test_chips_and_choices_narrow_the_list_and_the_address_keeps_them(page):
    every = page.count()
    page.click("#statuses button[data-status=failed]")
    failed = page.count()
    assert 0 < failed < every
    assert set(page.column(2)) == {"✗ failed"}
    page.click("#statuses button[data-status=passed]")
    assert failed < page.count() < every
    left, address = page.count(), "#" + page.browser.current_url.partition("#")[2]
    page.click("#reset")
    assert page.count() == every
    page.begin(address)
    assert page.count() == left
    page.click("#reset")
    assert page.count() == every


def test_a_cause_of_the_summary_shows_its_sessions(page):
    row = "#causes div:last-of-type table tbody tr"
    expected, failed = page.js(f"[...document.querySelector('{row}').children].map((e) => e.innerText)")[:2]
    page.click(f"{row} button")
    assert page.count() == int(failed)
    assert all(expected in why or "more)" in why for why in page.column(5))
    page.click("#by-expected")
    assert page.count() > int(failed)


@pytest.mark.parametrize("query", ["17", "#17"])
def test_a_number_in_the_search_is_that_call(page, query):
    page.type("#search", query)
    page.until("document.getElementById('count').textContent.startsWith('1 of')")
    assert page.calls() == [17]


def test_the_search_reads_what_was_said(page):
    page.type("#search", "Goodbye")
    page.until("document.querySelectorAll('#body tr[data-row]').length > 0")
    # In one step: the list is drawn anew when the words are unpacked.
    page.js("void document.querySelector('#body tr[data-row]').click()")
    page.until("document.querySelector('.transcript')")
    assert "Goodbye!" in page.js("document.querySelector('.transcript').innerText")


def test_what_nothing_is_like_is_said(page):
    page.type("#search", "no such words anywhere")
    page.until("!document.getElementById('none').classList.contains('hidden')")
    assert page.count() == 0


# --- keys ------------------------------------------------------------------------------------------------------------


def test_keys_alone_find_and_open_a_call_and_come_back(page):
    from selenium.webdriver.common.keys import Keys

    page.begin("#status=failed")
    failed = page.calls()
    page.js("document.getElementById('rows').focus()")
    page.keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    active = page.js("document.getElementById('rows').getAttribute('aria-activedescendant')")
    assert page.js(f"document.getElementById('{active}').getAttribute('aria-selected')") == "true"
    page.keys(Keys.ENTER)
    page.until("document.getElementById('session-title')")
    assert page.title().startswith(f"Call {failed[1]} ")
    page.keys("j")
    page.until(f"document.getElementById('session-title').innerText.startsWith('Call {failed[2]} ')")
    page.keys("k")
    page.until(f"document.getElementById('session-title').innerText.startsWith('Call {failed[1]} ')")
    assert f"call={failed[1]}" in page.browser.current_url
    page.keys(Keys.ESCAPE)
    page.until("document.getElementById('session').classList.contains('hidden')")
    assert page.js("document.activeElement.id") == "rows"


def test_keys_alone_reach_the_heads_and_sort(page):
    from selenium.webdriver.common.keys import Keys

    page.js("document.getElementById('rows').focus()")
    page.keys(Keys.TAB, Keys.TAB)
    assert page.js("document.activeElement.closest('th').dataset.key") == "status"
    page.keys(Keys.ENTER)
    page.until("document.querySelector('#rows th[data-key=status]').getAttribute('aria-sort') === 'ascending'")
    assert page.column(2) == sorted(page.column(2), key=lambda status: status.split()[-1])


# --- one session -----------------------------------------------------------------------------------------------------


def test_the_address_opens_a_call_with_its_timeline_and_words(page):
    page.load("#call=1")
    page.until("document.querySelector('.bar')")
    assert page.title().startswith("Call 1 ")
    lanes = {lane: page.js(f"document.querySelectorAll('.bar.{lane}').length") for lane in LANES}
    assert lanes == {"caller": 2, "agent": 2, "heard": 2, "tool": 1}
    assert page.js("document.querySelectorAll('.gap').length") == 2
    assert page.js("document.querySelectorAll('.transcript > li').length") == 2


def test_a_click_on_the_timeline_seeks_the_audio_and_marks_the_turn(page):
    page.begin("#call=1")
    page.until("document.querySelector('#session audio')?.readyState >= 1")
    length = page.js("document.querySelector('#session audio').duration")
    bar = page.js("document.querySelectorAll('.bar.caller')[1]")
    page.js("arguments[0].scrollIntoView({block: 'center'})", bar)
    bar.click()
    page.until("document.querySelector('#session audio').currentTime > 1")
    at = page.js("document.querySelector('#session audio').currentTime")
    assert 0 < at < length
    value = page.js("Number(document.querySelector('.tracks').getAttribute('aria-valuenow'))")
    assert abs(value - at) <= 1
    assert (
        page.js("[...document.querySelectorAll('.transcript > li')].findIndex((e) => e.classList.contains('now'))") == 1
    )


def test_the_playhead_goes_with_the_audio(page):
    from selenium.webdriver.common.keys import Keys

    page.begin("#call=1")
    page.until("document.querySelector('#session audio')?.readyState >= 3")
    page.js("document.querySelector('.tracks').focus()")
    page.keys(Keys.SPACE)
    page.until("document.querySelector('#session audio').currentTime > 0.2")
    page.keys(Keys.SPACE)
    page.until("document.querySelector('#session audio').paused")
    page.until("parseFloat(document.querySelector('.playhead').style.left) > 0")
    page.keys(Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    page.until("Math.abs(document.querySelector('#session audio').currentTime - 2) < 0.05")
    assert page.js("document.querySelector('.tracks').getAttribute('aria-valuetext')").startswith("2.0 s of ")


def test_audio_that_the_browser_does_not_play_is_told_so(page):
    sound = "document.getElementById('sound-2-1')"
    kept = page.js(f"{sound}.textContent")
    page.js(f"void ({sound}.textContent = btoa('no audio'))")
    page.begin("#call=2")
    page.until("document.querySelector('#session [role=alert]')?.classList.contains('hidden') === false")
    told = page.js("document.querySelector('#session [role=alert]').innerText")
    assert told == "This browser does not play its audio (audio/flac): open the page in another one."
    page.js(f"void ({sound}.textContent = arguments[0])", kept)


def test_an_earlier_try_can_be_looked_at(page):
    page.click(head("tries"))
    page.click("#body tr[data-row]")
    page.until("document.querySelector('#session-title')")
    page.click("#session p.set button")
    page.until("document.querySelector('#session .cause')")
    assert "⚠ error" in page.title()
    assert "try=1" in page.browser.current_url


# --- charts ----------------------------------------------------------------------------------------------------------


def test_charts_are_drawn_offline_and_follow_the_choice(page):
    assert page.js("document.querySelectorAll('#distribution .bars path').length") > 20
    assert page.js("document.querySelectorAll('#running .fills path, #running .js-fill').length") > 0
    drawn = int(page.js("document.body.dataset.charts"))
    page.click("button[data-metric=session_time]")
    page.until(f"Number(document.body.dataset.charts) > {drawn}")
    assert page.js("document.getElementById('metric').value") == "session_time"
    assert page.js("performance.getEntriesByType('resource').filter((e) => !e.name.startsWith('blob:')).length") == 0
    assert page.complaints() == []


def test_colours_follow_the_system_and_the_button(page):
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.js(ground)
    page.click("#theme")
    page.click("#theme")
    assert page.js("document.documentElement.dataset.theme") == "dark"
    assert page.js(ground) != light
    page.click("#theme")
    assert page.js(ground) == light


# --- other pages -----------------------------------------------------------------------------------------------------


def test_audio_beside_the_page_plays_from_the_runs_folder_as_long_as_that_is_there(browser, run, tmp_path):
    page = Page(browser, write_report(run, out=tmp_path / "away.html", embedded_audio_bytes=0), "#call=1")
    page.until("document.querySelector('#session audio')?.readyState >= 1")
    assert page.js("document.querySelector('#session audio').src").startswith("file:///")
    (run / "sessions").rename(run / "moved")
    page.begin("#call=2")
    page.until("document.querySelector('#session [role=alert]')?.classList.contains('hidden') === false")
    assert "keep the page in the run's folder" in page.js("document.querySelector('#session [role=alert]').innerText")
    (run / "moved").rename(run / "sessions")


# --- from outside ----------------------------------------------------------------------------------------------------


def _hostile(result):
    tools = (ToolUse(name=HOSTILE, arguments=HOSTILE, result=HOSTILE),)
    words = {"said": HOSTILE, "heard": HOSTILE + "?", "answer": HOSTILE, "tools": tools}
    turns = tuple(attrs.evolve(turn, **words) for turn in result.turns)
    files = (
        KeptFile(path="javascript:window.owned=6", size_bytes=1, kind="audio"),
        KeptFile(path=f"../{LABEL}", size_bytes=1, kind="events"),
        KeptFile(path=f"sessions/{LABEL}", size_bytes=1, kind="transcript"),
    )
    spans = tuple(attrs.evolve(span, text=HOSTILE) for span in result.spans)
    verdicts = tuple(attrs.evolve(one, expected=HOSTILE, found=HOSTILE, held=False) for one in result.verdicts)
    return attrs.evolve(
        result, turns=turns, spans=spans, verdicts=verdicts, error=HOSTILE, session_id=HOSTILE, notes=(HOSTILE,),
        error_kind="service", status="failed", worker=HOSTILE, files=files,
    )  # fmt: skip


def test_a_run_without_sessions_is_shown_without_a_fault(browser, tmp_path):
    from engine.farm.ledger import Ledger

    with Ledger.create(tmp_path / "run", plan(sessions=12)) as ledger:
        ledger.begin_session()
    page = Page(browser, write_report(tmp_path / "run"), charts=True)
    page.until("document.body.dataset.ready")
    assert page.complaints() == []
    assert "needs a browser" not in page.js("document.body.innerText")


def test_a_list_of_one_says_so_and_names_stay_in_one_piece(browser, tmp_path):
    whole = plan(sessions=12, voices=("alloy",))
    scenario = attrs.evolve(whole.scenarios[0], rows=whole.scenarios[0].rows[:1], repeat=1)
    folder = write_run(tmp_path / "run", the_plan=attrs.evolve(whole, scenarios=(scenario,)), sounds=0)
    page = Page(browser, write_report(folder))
    assert page.js("document.getElementById('count').textContent") == "1 session"
    page.js("void (document.querySelector('main').style.width = '700px')")
    lines = page.js("document.querySelector('#groups th.name .outside').getClientRects().length")
    assert lines == 1


def test_hostile_texts_are_only_shown(browser, tmp_path):
    made = plan(sessions=12, voices=("alloy", HOSTILE))
    hostile = [attrs.evolve(each, name=each.name.replace("refund", LABEL), tags=(LABEL,)) for each in made.scenarios]
    made = attrs.evolve(made, name=LABEL, scenarios=tuple(hostile))
    folder = write_run(tmp_path / "run", the_plan=made, sounds=0, change=_hostile)
    page = Page(browser, write_report(folder), "#call=1", charts=True)
    page.until("document.querySelector('.transcript')")
    assert page.js("document.querySelector('.line.agent > :last-child').textContent") == HOSTILE
    assert page.js("document.querySelector('.tool-use code').textContent") == f"{HOSTILE}({HOSTILE})"
    assert page.js("document.querySelector('h1').textContent") == LABEL
    assert page.js("[...document.querySelectorAll('#groups th button')].map((e) => e.textContent)")[1] == LABEL
    links = page.js("[...document.querySelectorAll('.facts a')].map((e) => e.href)")
    assert len(links) == 2, "a path that leaves the run's folder has no link"
    assert all(link.startswith(f"{folder.as_uri()}/") for link in links)
    assert page.js("document.querySelectorAll('img, svg[onload], a[href^=javascript]').length") == 0
    assert page.js("window.owned") is None
    assert [each for each in page.complaints() if "FILE_NOT_FOUND" not in each] == []  # the audio that is none
    page.js("document.getElementById('split').value = 'worker'")
    drawn = int(page.js("document.body.dataset.charts"))
    page.js("document.getElementById('metric').dispatchEvent(new Event('change'))")
    page.until(f"Number(document.body.dataset.charts) > {drawn}")
    other = write_comparison(compare(folder, folder), tmp_path / "compare.html")
    browser.get(other.as_uri())
    page.until("document.body.dataset.charts")
    assert page.js("window.owned") is None
    assert page.complaints() == []


# --- many ------------------------------------------------------------------------------------------------------------


def test_a_thousand_sessions_are_listed_sorted_and_searched_but_few_are_drawn(browser, tmp_path):
    folder = write_run(tmp_path / "run", sessions=1000, sounds=0)
    page = Page(browser, write_report(folder))
    every = page.count()
    assert every > 950
    assert page.js("document.querySelectorAll('#body tr').length") < 80
    page.click(head("first_audio_ms"))
    page.js("document.getElementById('list').scrollTop = 1e9")
    page.until(f"document.querySelector('#body tr[data-row]:last-child')?.getAttribute('aria-rowindex') == {every + 1}")
    assert page.js("document.querySelectorAll('#body tr').length") < 80
    page.type("#search", "spare part")
    page.until("document.getElementById('count').textContent.includes(' of ')")
    page.until("document.getElementById('searching').textContent === ''")
    page.until("document.querySelectorAll('#body tr[data-row]').length > 0")
    assert 0 < page.count() < every / 2
    assert all("order-2093.wav" in about for about in page.column(4))
