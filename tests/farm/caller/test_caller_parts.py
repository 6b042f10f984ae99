"""The small parts of a caller: words, keys, speech, tools, kinds of errors."""

import math
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from calls import CARD, SPEECH
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.audio.files import write_wav
from engine.audio.pcm import level_dbfs, silence, tone
from engine.errors import (
    BidiModelTimeoutError,
    CertificateRefused,
    ConfigError,
    ConnectionLost,
    DeadlinePassed,
    HandshakeRejected,
    LimitExceeded,
    ProxyRefused,
    ServerReported,
    UnsupportedContent,
)
from engine.farm.caller.faults import ERROR_MAX_CHARS, CallBroken, Fault, failed_response, fault_of
from engine.farm.caller.speech import SpeechCache, is_sound_file, measured
from engine.farm.caller.tones import KEYS, key_tone, pushed
from engine.farm.caller.toolbox import find_function, toolbox
from engine.farm.caller.watch import Watch
from engine.farm.caller.wording import WORDS_MAX, normalised, word_error_rate
from engine.farm.job import RateLimit
from engine.farm.plan.model import CannedTool, FunctionTool
from engine.wire.server import RateLimit as WireLimit

# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's “FINE”, isn\u2019t it?", ["it's", "fine", "isn't", "it"]),
        ("'quoted' rock'n'roll dogs'", ["quoted", "rock'n'roll", "dogs"]),
        ("well-known_name 17.5 %", ["well", "known", "name", "17", "5"]),
        ("Straße \ufb01ne", ["strasse", "fine"]),
        ("हिन्दी में।", ["हिन्दी", "में"]),
        ("co\u00adop क\u200dष", ["coop", "कष"]),
        ("'tis rock 'n' roll, a''b", ["tis", "rock", "n", "roll", "a", "b"]),
        (" … ", []),
    ],
)
def test_words_without_case_and_punctuation(text, words):
    assert normalised(text) == words


@pytest.mark.parametrize(
    ("reference", "said", "rate"),
    [
        ("ten of clubs", "Ten of clubs.", 0.0),
        ("ten of clubs", "ten of hearts", 1 / 3),
        ("ten of clubs", "", 1.0),
        ("ten", "ten of clubs", 2.0),
        ("", "ten", None),
    ],
)
def test_word_error_rate(reference, said, rate):
    assert word_error_rate(reference, said) == (rate if rate is None else pytest.approx(rate))


@settings(max_examples=50)
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_has_a_rate_that_is_none_or_not_negative(reference, said):
    rate = word_error_rate(reference, said)
    assert rate is None if not normalised(reference) else rate >= 0
    assert word_error_rate(reference, reference) in {0.0, None}


def test_a_book_is_cut():
    assert word_error_rate("word " * (WORDS_MAX + 10), "word " * (WORDS_MAX + 99)) == 0.0


# --- keys -------------------------------------------------------------------------------------------------------------


def power(pcm, freq_hz):
    """Give the share of a tone, by Goertzel's sum."""
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    turn = 2 * math.pi * freq_hz / 24_000
    real = sum(sample * math.cos(turn * n) for n, sample in enumerate(samples))
    imaginary = sum(sample * math.sin(turn * n) for n, sample in enumerate(samples))
    return math.hypot(real, imaginary) / len(samples)


@pytest.mark.parametrize(("key", "low_hz", "high_hz"), [("1", 697, 1209), ("0", 941, 1336), ("#", 941, 1477)])
def test_a_key_is_its_two_tones(key, low_hz, high_hz):
    tones = (697, 770, 852, 941, 1209, 1336, 1477, 1633)
    loudest = sorted(tones, key=lambda freq_hz: power(key_tone(key), freq_hz))[-2:]
    assert set(loudest) == {low_hz, high_hz}


def test_every_key_sounds_and_none_clips():
    assert len(set(KEYS)) == 16
    assert all(-15 < level_dbfs(key_tone(key)) < -6 for key in KEYS)
    assert len(pushed("12")) == 2 * 2 * 4800


@pytest.mark.parametrize("keys", ["x", "", "1 2"])
def test_what_is_no_key(keys):
    if not keys:
        assert pushed(keys) == b""
        return
    with pytest.raises(ConfigError, match="123A456B789C"):
        pushed(keys)


# --- speech -----------------------------------------------------------------------------------------------------------


def test_what_is_a_file():
    assert is_sound_file("a/b.WAV")
    assert not is_sound_file("Play b.wav please")


def test_where_the_voice_ends():
    speech = measured(silence(200) + tone(400, 500) + silence(300))
    assert speech.voiced_ms == pytest.approx(700, abs=20)
    assert speech.length_ms == 1000
    assert measured(silence(100)).voiced_ms == 0


def test_a_file_is_read_once_and_shared():
    cache = SpeechCache()
    assert cache.find(str(SPEECH), CARD) is None
    speech = cache.make(str(SPEECH), CARD)
    assert cache.make(str(SPEECH), CARD) is speech
    assert cache.find(str(SPEECH), CARD) is speech
    assert speech.words is None


def test_many_threads_that_want_the_same_get_the_same():
    cache, found = SpeechCache(), []
    threads = [threading.Thread(target=lambda: found.append(cache.make(str(SPEECH), CARD))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({id(speech) for speech in found}) == 1


def test_what_was_used_longest_ago_goes_first(tmp_path):
    for name in "abc":
        write_wav(tmp_path / f"{name}.wav", tone(400, 1000))
    cache = SpeechCache(max_bytes=100_000)
    folder = str(tmp_path)
    first = cache.make(folder, "a.wav")
    cache.make(folder, "b.wav")
    assert cache.make(folder, "a.wav") is first
    cache.make(folder, "c.wav")

    assert cache.find(folder, "b.wav") is None
    assert cache.find(folder, "a.wav") is first


def test_a_file_that_failed_can_be_had_later(tmp_path):
    cache = SpeechCache()
    with pytest.raises(ConfigError, match=r"late\.wav"):
        cache.make(str(tmp_path), "late.wav")
    write_wav(tmp_path / "late.wav", tone(400, 100))
    assert cache.make(str(tmp_path), "late.wav").length_ms == 100


# --- tools ------------------------------------------------------------------------------------------------------------


async def test_tools_are_made_once_and_watched_by_session():
    plans = (CannedTool(name="a", answer=1),)
    first, second = await toolbox("/", plans), await toolbox("/", plans)
    assert first is not second
    assert [spec["name"] for spec in first.specs] == ["a"]
    assert first.specs == second.specs
    assert "a" in first
    assert (await toolbox("/", (CannedTool(name="a", answer=2),))).reports == {}
    assert list((await toolbox("/", ())).specs) == []


async def test_two_tools_of_a_name_are_refused():
    with pytest.raises(ConfigError, match="each name once"):
        await toolbox("/", (CannedTool(name="a"), CannedTool(name="a")))


def test_functions_of_modules_and_files(tmp_path):
    (tmp_path / "my.py").write_text("def f(): return 1\nx = 3\n")
    assert find_function("/", "math:sqrt") is math.sqrt
    function = find_function(str(tmp_path), "my.py:f")
    assert function() == 1
    assert find_function(str(tmp_path), "my.py:f") is function
    with pytest.raises(ConfigError, match="a function"):
        find_function(str(tmp_path), "my.py:x")
    with pytest.raises(ConfigError, match="AttributeError"):
        find_function(str(tmp_path), "my.py:missing")


def test_a_module_that_raises_can_be_mended(tmp_path):
    (tmp_path / "bad.py").write_text("1 / 0")
    with pytest.raises(ConfigError, match=r"bad\.py:f.*ZeroDivisionError"):
        find_function(str(tmp_path), "bad.py:f")
    (tmp_path / "bad.py").write_text("def f(): return 2  # another size, so that it is compiled anew")
    assert find_function(str(tmp_path), "bad.py:f")() == 2


def test_a_module_that_ends_the_program_is_told_as_one_that_raises(tmp_path):
    (tmp_path / "leaves.py").write_text("raise SystemExit(3)")
    with pytest.raises(ConfigError, match=r"leaves\.py:f.*SystemExit: 3"):
        find_function(str(tmp_path), "leaves.py:f")


async def test_a_function_that_can_not_be_described(tmp_path):
    (tmp_path / "star.py").write_text("def f(*args): return 1")
    with pytest.raises(ConfigError):
        await toolbox(str(tmp_path), (FunctionTool(function="star.py:f"),))


# --- faults -----------------------------------------------------------------------------------------------------------

QUOTA = '{"error": {"type": "insufficient_quota", "code": null}}'


@pytest.mark.parametrize(
    ("error", "opened", "kind"),
    [
        (HandshakeRejected(429, ""), False, "rate_limited"),
        (HandshakeRejected(429, QUOTA), False, "quota"),
        (HandshakeRejected(429, "[1]"), False, "rate_limited"),
        (HandshakeRejected(404, '{"error": "no"}'), False, "refused"),
        (HandshakeRejected(502, "<html>"), False, "service"),
        (HandshakeRejected(302, ""), False, "connection"),
        (ProxyRefused("no", status=407), False, "refused"),
        (ProxyRefused("no", status=502), False, "connection"),
        (CertificateRefused("no"), False, "refused"),
        (ConnectionLost("gone"), True, "connection"),
        (DeadlinePassed("connect", 15), False, "connection"),
        (DeadlinePassed("answer", 30), True, "deadline"),
        (BidiModelTimeoutError("over"), True, "deadline"),
        (ServerReported("x", code="invalid_api_key"), False, "refused"),
        (ServerReported("x", code="insufficient_quota"), True, "quota"),
        (ServerReported("x", code="rate_limit_exceeded"), True, "rate_limited"),
        (ServerReported("x", code="invalid_value"), False, "refused"),
        (ServerReported("x", code="invalid_value"), True, "service"),
        (ServerReported("x", error_type="server_error"), False, "service"),
        (ConfigError("a", 1, "2"), False, "caller"),
        (UnsupportedContent("x"), True, "caller"),
        (LimitExceeded("SPEECH_MAX_S", 1, 2, "cut it"), False, "caller"),
        (LimitExceeded("AUDIO_LANE_S", 1, 2, "slower"), True, "crash"),
        (RuntimeError("bug"), True, "crash"),
        (ExceptionGroup("g", [ExceptionGroup("h", [ConnectionLost("gone")])]), True, "connection"),
        (CallBroken(Fault("tool", "x")), True, "tool"),
    ],
)
def test_kinds_of_errors(error, opened, kind):
    assert fault_of(error, opened=opened).kind == kind


def test_a_fault_is_one_short_line_with_the_services_wish():
    fault = fault_of(HandshakeRejected(503, "", 12.0), opened=False)
    assert fault.retry_after_s == 12.0
    long = fault_of(RuntimeError("a\n" * 1000), opened=True)
    assert len(long.words) == ERROR_MAX_CHARS
    assert "\n" not in long.words
    assert long.words.startswith("RuntimeError: a a")


@pytest.mark.parametrize(
    ("details", "kind", "words"),
    [
        (None, "service", "no reason given"),
        ({"error": {"code": "rate_limit_exceeded", "message": "slow down"}}, "rate_limited", "slow down"),
        ({"error": {"type": "server_error"}}, "service", "server_error"),
    ],
)
def test_why_a_response_failed(details, kind, words):
    fault = failed_response(details)
    assert fault.kind == kind
    assert words in fault.words


# --- the watch --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ((), None),
        ((WireLimit(name="requests", limit=5, remaining=1),), None),
        ((WireLimit(name="tokens", limit=None, remaining=1),), None),
        (
            (WireLimit(name="tokens", limit=100, remaining=60, reset_seconds=2.5),),
            RateLimit(limit=100, remaining=60, reset_s=2.5),
        ),
    ],
)
def test_limits_of_tokens_are_handed_on(limits, told):
    watch = Watch()
    watch.told_limits(limits)
    assert watch.rate_limit == told


def test_sessions_that_begin_together_get_a_tool_of_a_module_that_is_whole(tmp_path):
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(0.2)\n\ndef hello():\n    return 'hello'\n")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: find_function(str(tmp_path), "slow.py:hello"), range(4)))
    assert {function() for function in found} == {"hello"}
    assert len(set(found)) == 1
