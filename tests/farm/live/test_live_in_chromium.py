"""The page in a real browser: it shows the run, follows it, comes back after a loss, and says when it is over."""

import time

import pytest
import trio
from chromium import MISSING, chromium
from made_up_runs import HOSTILE, snapshot, worker

from engine.farm.live.board import Board
from engine.farm.live.serving import serve_page
from engine.farm.plan.thresholds import read_threshold

pytestmark = [pytest.mark.skipif(MISSING is not None, reason=str(MISSING)), pytest.mark.peers]

WAIT_S = 30
OWNED = "<img src=x onerror='window.owned = 1'></script><script>window.owned = 2</script>" + HOSTILE
THRESHOLDS = (read_threshold("p95(time_to_first_audio) < 900ms"), read_threshold("error_rate < 1%"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as driver:
        yield driver


def text(browser, selector):
    return browser.execute_script(
        "const e = document.querySelector(arguments[0]); return e?.innerText ?? e?.textContent ?? ''", selector
    )


def until(browser, selector, words):
    deadline = time.monotonic() + WAIT_S
    while words not in text(browser, selector):
        assert time.monotonic() < deadline, (selector, words, text(browser, "main"), browser.get_log("browser"))
        time.sleep(0.05)


async def in_browser(work, *arguments):
    return await trio.to_thread.run_sync(work, *arguments)


async def test_the_page_shows_the_run_follows_it_and_says_when_it_is_over(browser):
    board = Board(THRESHOLDS)
    for second in range(5):
        board.show(snapshot(elapsed_s=float(second), active=second))
    async with serve_page(board, 0) as page:
        await in_browser(browser.get, page.url)
        await in_browser(until, browser, "h1", "spoken-prompts")
        await in_browser(until, browser, "#facts", "passed")
        assert "312 of 500 done" in text(browser, "main")
        assert "✓ 789 ms" in text(browser, "#thresholds")
        assert "✗ 3.8 %" in text(browser, "#thresholds")
        assert "time to first audio" in text(browser, "#latencies")
        assert "worker-2" in text(browser, "#workers tr:first-child")

        await in_browser(until, browser, "#chart-latency .legend", "p95")
        board.show(snapshot(elapsed_s=5.0, active=1234))
        await in_browser(until, browser, "#facts", "1,234")
        drawn = await in_browser(browser.execute_script, "return document.querySelector('#chart-sessions').data[0].y")
        assert drawn == [0, 1, 2, 3, 4, 1234]

        board.show(snapshot(elapsed_s=6.0, phase="over", active=0))
        board.close("The run is over: all jobs are done. Its folder: runs/one")
        await in_browser(until, browser, "#link", "Its folder: runs/one")
        assert text(browser, "#state") == "over"
    await trio.sleep(1.2)  # longer than the page waits before it would try again
    assert "No connection" not in text(browser, "main")
    assert browser.get_log("browser") == []


@pytest.fixture
def without_charts(browser):
    """The charts' library takes half a second a page, and is looked at above."""
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*/plotly.js"]})
    yield
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})


@pytest.mark.usefixtures("without_charts")
async def test_what_others_call_their_things_is_text_and_nothing_else(browser):
    board = Board()
    shown = snapshot(name=OWNED, why=OWNED, held_back=OWNED, errors={OWNED: 1}, workers=(worker(OWNED),))
    board.show(shown)
    async with serve_page(board, 0) as page:
        await in_browser(browser.get, page.url)
        await in_browser(until, browser, "#workers", "<img src=x")
        assert "<script>" in text(browser, "h1")
        assert "<script>" in text(browser, "#errors")
        assert browser.execute_script("return window.owned === undefined && !document.querySelector('img')")
        board.close()


@pytest.mark.usefixtures("without_charts")
async def test_a_page_that_lost_the_run_says_so_and_comes_back(browser):
    board = Board()
    board.show(snapshot(elapsed_s=1.0))
    async with trio.open_nursery() as nursery:

        async def serve(port, task_status):
            async with serve_page(board, port) as page:
                task_status.started(page)
                await trio.sleep_forever()

        first, scope = trio.CancelScope(), trio.CancelScope()

        async def in_scope(port, task_status):
            with first:
                await serve(port, task_status)

        page = await nursery.start(in_scope, 0)
        await in_browser(browser.get, page.url)
        await in_browser(until, browser, "#done", "312 of 500")
        # As when the program is killed: no word of an end.
        board.close = lambda words="": None
        first.cancel()
        await in_browser(until, browser, "#link", "trying again")

        board.show(snapshot(elapsed_s=3.0, done={"passed": 400}))
        port = int(page.url.rsplit(":", 1)[1].strip("/"))
        with scope:
            page = await nursery.start(serve, port)
            await in_browser(until, browser, "#done", "400 of 500")
            assert text(browser, "#link") == ""
        nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("without_charts")
async def test_with_a_token_the_address_bar_does_not_keep_it(browser):
    board = Board()
    board.show(snapshot())
    async with serve_page(board, 0, "0.0.0.0", {}) as page:
        port = page.url.rsplit(":", 1)[1].split("/")[0]
        await in_browser(browser.get, f"http://127.0.0.1:{port}/")
        assert "the token in it lets you in" in text(browser, "body")
        await in_browser(browser.get, f"http://127.0.0.1:{port}/?token={page.token}")
        await in_browser(until, browser, "#done", "312 of 500")
        assert browser.current_url == f"http://127.0.0.1:{port}/"
        assert page.token not in browser.execute_script("return document.cookie")
        board.close()
