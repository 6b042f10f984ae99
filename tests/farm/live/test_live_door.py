"""Who may look at a run's page: this machine, or who has the token; never another site's page."""

import pytest

from engine.farm.live.door import HEADERS, Door

TOKEN = "a-token-of-24-characters"


async def inside(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"inside"})


async def knock(token=None, path="/", query="", **headers):
    """Ask, and give status and headers of the answer."""
    sent = []

    async def send(message):
        sent.append(message)

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "query_string": query.encode(), "headers": named}
    await Door(inside, token, "farm-1")(scope, None, send)
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080", "127.0.0.1"])
async def test_this_machine_may_look(host):
    status, headers = await knock(host=host)

    assert status == 200
    assert all(headers[name.decode()] == value.decode() for name, value in HEADERS)


@pytest.mark.parametrize(
    "host", ["evil.example:8080", "127.0.0.1.evil.example", "192.0.2.1:8080", "", "localhost.evil"]
)
async def test_a_name_that_was_made_to_lead_here_is_refused(host):
    assert (await knock(host=host))[0] == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://[::1"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors"},
        {"sec_fetch_site": "same-site", "sec_fetch_mode": "cors"},
    ],
)
async def test_another_sites_page_is_refused(headers):
    assert (await knock(host="127.0.0.1:8080", **headers))[0] == 403
    assert (await knock(TOKEN, host="10.0.0.1:8080", cookie=f"farm-1={TOKEN}", **headers))[0] == 403


async def test_a_link_to_the_page_may_be_followed_and_the_page_may_ask_for_its_own():
    link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}
    own = {"origin": "http://127.0.0.1:8080", "sec_fetch_site": "same-origin", "sec_fetch_mode": "cors"}

    assert (await knock(host="127.0.0.1:8080", **link))[0] == 200
    assert (await knock(host="127.0.0.1:8080", **own))[0] == 200


async def test_the_token_in_the_address_becomes_a_cookie_that_no_script_reads():
    status, headers = await knock(TOKEN, query=f"token={TOKEN}", host="farm.example:8080")

    assert (status, headers["location"]) == (303, "/")
    assert headers["set-cookie"] == f"farm-1={TOKEN}; Path=/; HttpOnly; SameSite=Lax"
    assert (await knock(TOKEN, host="farm.example:8080", cookie=f"other=1; farm-1={TOKEN}"))[0] == 200


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"query": "token="},
        {"query": "token=wrong"},
        {"query": f"token={TOKEN}x"},
        {"query": f"token={TOKEN}", "path": "/events"},
        {"cookie": "farm-1="},
        {"cookie": f"farm-2={TOKEN}"},
        {"cookie": "farm-1=\x01; ;;=,"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Bearer"},
        {"query": "token=%ff%fe\u00e4".encode().decode("latin-1")},
    ],
)
async def test_without_the_token_nobody_comes_in(asked):
    status, headers = await knock(TOKEN, host="10.0.0.1:8080", **asked)

    assert status == 401
    assert TOKEN not in str(headers)


async def test_no_websocket_is_opened():
    sent = []

    async def send(message):
        sent.append(message)

    await Door(inside, None, "farm-1")({"type": "websocket", "headers": [(b"host", b"127.0.0.1")]}, None, send)
    assert sent == [{"type": "websocket.close"}]


async def test_prometheus_comes_with_the_token_in_its_header():
    assert (await knock(TOKEN, path="/metrics", host="10.0.0.1", authorization=f"Bearer {TOKEN}"))[0] == 200


async def test_where_no_token_is_asked_for_one_opens_nothing():
    assert (await knock(None, query="token=", host="evil.example"))[0] == 421


def test_the_token_is_not_shown():
    assert TOKEN not in repr(Door(inside, TOKEN, "farm-1"))
