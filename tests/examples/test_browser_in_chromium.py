"""The browser example in a real browser: somebody speaks, reads, hears, and cuts in."""

import fcntl
import re
import time
from contextlib import contextmanager

import pytest
import trio
from browser_servers import SERVERS, serving
from chromium import ALLOWED, DENIED, MISSING, chromium, hearing

from engine.audio.pcm import silence
from engine.demo.lines import CARDS, PASSAGES
from engine.demo.service import local_voice
from engine.simulator import serve

pytestmark = [pytest.mark.skipif(MISSING is not None, reason=str(MISSING)), pytest.mark.peers]

QUESTION, CUT_IN = PASSAGES[1], CARDS[0]
"""The answer to the first takes more than 15 s to say."""

PAUSE_MS = 6000
"""From the question's end to the cutting in: what a slow machine may take to begin the answer. If it takes longer, the
microphone says it all again, and the next question cuts in."""

TALK_BOUND_S = 45
LONG = "Tell me a tale of a princess, a golden ball and a well, " * 5 + "please."
SILENT = 0.001
FADE_LOOKS = 10
"""So many looks of 20 ms what was on its way may still sound, and so many the page may be late to say who speaks."""

REPORT_MS = 100
"""The page says that the model speaks when the player has said so, every 50 ms, and we look every 20 ms."""


@contextmanager
def alone(folder):
    """Only one test of this machine has a browser at a time: they take a whole core."""
    with (folder / "chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def find(browser, selector):
    return browser.find_elements("css selector", selector)


def wait_for(found):
    """Wait for what a function finds."""
    ends = time.monotonic() + TALK_BOUND_S
    while not (result := found()):
        assert time.monotonic() < ends
        time.sleep(0.05)
    return result


def talk(browser, page):
    """Hold the talk: ask, hear the answer, cut in, hear the next answer, hang up. Returns what was seen."""
    browser.get(page)
    start = find(browser, "#call")[0]
    start.click()
    wait_for(lambda: find(browser, "li.assistant s"))
    cut = wait_for(lambda: find(browser, "li.assistant[data-heard-ms]"))[0]
    told = int(cut.get_attribute("data-heard-ms")), cut.text
    wait_for(lambda: "ten of clubs" in find(browser, "#transcript")[0].text.partition("Interrupted")[2])
    wait_for(lambda: find(browser, "li[data-heard-ms] ~ li.assistant") and state(browser) == "speaking")
    users = [bubble.text for bubble in find(browser, "li.user")]
    start.click()
    assert state(browser) == "idle"
    return told, users, browser.execute_script("return window.seen"), find(browser, "#notice")[0].text


def state(browser):
    return find(browser, "main")[0].get_attribute("data-state")


@pytest.mark.parametrize("server", SERVERS)
async def test_somebody_speaks_reads_hears_and_cuts_in(server, tmp_path, tmp_path_factory):
    speech = silence(300) + QUESTION.read_pcm24k() + silence(PAUSE_MS) + CUT_IN.read_pcm24k() + silence(5000)
    microphone = hearing(tmp_path / "microphone.wav", speech)

    async with serve(responder_factory=await local_voice()) as simulator:
        async with serving(server, base_url=simulator.base_url) as page:

            def drive():
                alone_here = alone(tmp_path_factory.getbasetemp().parent)
                with alone_here, chromium(tmp_path / "profile", ALLOWED, microphone) as browser:
                    return *talk(browser, page), browser.get_log("browser")

            (heard_ms, answer), users, seen, notice, console = await trio.to_thread.run_sync(drive)
            with trio.fail_after(5):
                while simulator.active_sessions:  # noqa: ASYNC110 - of another process' doing
                    await trio.sleep(0.01)
        received = simulator.sessions[0].received

    assert (notice, console) == ("", [])
    said = set(QUESTION.transcript.split())
    assert len(said & set(users[0].split())) > len(said) / 2
    assert any("ten of clubs" in words for words in users)
    assert answer.startswith("Model\nI heard:")
    assert float(re.search(r"Interrupted after ([\d.]+) s", answer)[1]) == pytest.approx(heard_ms / 1000, abs=0.051)

    began, ended = cut_in(seen)
    after = [loudest for _, _, loudest in seen[ended:][: until_speech(seen[ended:])]]
    assert any(loudest > 0.05 for _, _, loudest in seen[began:ended])
    assert len(after) > 3 * FADE_LOOKS
    assert max(after[FADE_LOOKS:-FADE_LOOKS]) < SILENT
    assert 0 < heard_ms <= seen[ended][0] - seen[began][0] + REPORT_MS
    truncations = [
        message.event["audio_end_ms"] for message in received if message.type == "conversation.item.truncate"
    ]
    assert heard_ms in truncations


def write(browser, page):
    """Start without a microphone, write, hear the answer, and stop it."""
    browser.get(page)
    find(browser, "#call")[0].click()
    notice = wait_for(lambda: find(browser, "#notice")[0].text)
    wait_for(lambda: state(browser) == "listening")
    find(browser, "#words")[0].send_keys(f"{LONG}\n")
    wait_for(lambda: state(browser) == "speaking" and find(browser, "#interrupt")[0].is_enabled())
    time.sleep(0.5)
    find(browser, "#interrupt")[0].click()
    wait_for(lambda: "Interrupted after" in find(browser, "#transcript")[0].text)
    wait_for(lambda: state(browser) == "listening")
    muted = find(browser, "#mute")[0].is_enabled()
    return notice, muted, [bubble.text for bubble in find(browser, "li")]


async def test_without_a_microphone_one_can_write_and_stop_the_answer(tmp_path, tmp_path_factory):
    async with serve() as simulator, serving("quart_server", base_url=simulator.base_url) as page:

        def drive():
            alone_here = alone(tmp_path_factory.getbasetemp().parent)
            with alone_here, chromium(tmp_path / "profile", DENIED) as browser:
                return write(browser, page)

        notice, can_mute, bubbles = await trio.to_thread.run_sync(drive)

    assert notice == "The microphone is not allowed. Allow it and start again, or write."
    assert not can_mute
    assert bubbles[0] == f"You\n{LONG}"
    assert bubbles[1].startswith("Model\nYou said: Tell me")


def cut_in(seen):
    """Where the answer began that was cut off, and where that was seen."""
    states = [state for _, state, _ in seen]
    ended = next(n for n in range(1, len(states)) if states[n - 1 : n + 1] == ["speaking", "hearing"])
    began = max(n for n in range(ended) if states[n] != "speaking") + 1
    return began, ended


def until_speech(seen):
    """How many looks until the model speaks."""
    return next(n for n, (_, state, _) in enumerate(seen) if state == "speaking")
