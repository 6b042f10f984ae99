"""The checks by themselves: what each finds in ledgers that were written by hand."""

import attrs
import pytest

from engine.events import BidiConnectionRestartEvent, BidiInterruptionEvent, ToolUseStreamEvent

from . import checks
from .ledger import AppLedger, Heard, Push, Remembered, Typed, Wait
from .player import Player
from .scenario import draw
from .view import Line, View
from .wire import Answer, Item, Refused, Told

INF = float("inf")
SCENARIO = attrs.evolve(draw("by hand"), engine={"ping_interval_s": 20.0}, weather=type(draw("by hand").weather)())


def line(told=None, *, opened=0.0, broke=INF, closed=100.0, **facts):
    return Line(told or Told(), opened, opened, broke, closed, facts.pop("copies", ()), **facts)


def view(*lines, ends=(), **ledger):
    app = AppLedger(came_s=0.0, left_s=100.0, stopping_s=99.0, calm=True)
    for name, value in ledger.items():
        setattr(app, name, value)
    return View(attrs.evolve(SCENARIO, hours=100 / 3600), app, list(lines), [], list(ends))


def moved(at_s, reason="renewal", **fields):
    return at_s, BidiConnectionRestartEvent(ValueError(), reason=reason, **fields)


def ledger_of(*events):
    app = AppLedger()
    for at_s, event in events:
        app.hear(at_s, event)
    return app.got


def audio(first, last, at_s=1.0):
    return [(at_s, number) for number in range(first, last)]


def user(item_id, words, **fields):
    return Item(item_id, "message", "user", words, **fields)


def found(check, story):
    return list(check(story))


# --- the microphone -----------------------------------------------------------------------------------------------


def test_audio_that_goes_on_over_the_next_connection_is_right():
    story = view(
        line(Told(audio=audio(0, 10)), closed=50.0),
        line(Told(audio=audio(10, 20)), opened=50.0),
        pushes=[Push(1.0, 0, 20)],
        got=ledger_of(moved(50.0)),
    )
    assert found(checks.microphone, story) == []


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        (audio(0, 10), audio(12, 20), "2 blocks were lost"),
        (audio(0, 10), audio(8, 20), "block 8 was sent to the one before"),
        ([*audio(0, 10), (1.0, 4)], audio(10, 20), "block 4 after block 9"),
    ],
)
def test_audio_that_is_lost_or_doubled_or_out_of_order_is_found(first, second, what):
    story = view(
        line(Told(audio=first), closed=50.0),
        line(Told(audio=second), opened=50.0),
        pushes=[Push(1.0, 0, 20)],
        got=ledger_of(moved(50.0)),
    )
    assert what in " ".join(found(checks.microphone, story))


def test_audio_that_was_told_as_dropped_is_no_loss():
    story = view(
        line(Told(audio=audio(0, 10)), broke=5.0, closed=50.0),
        line(Told(audio=audio(12, 20)), opened=50.0),
        pushes=[Push(1.0, 0, 20)],
        got=ledger_of(moved(50.0, "connection_lost", dropped_audio_ms=40.0)),
    )
    assert found(checks.microphone, story) == []


def test_torn_audio_is_found():
    assert "7 bytes" in found(checks.microphone, view(line(Told(torn_bytes=7))))[0]


# --- words --------------------------------------------------------------------------------------------------------


def test_words_are_there_once_and_in_order():
    told = Told(items={"a": user("a", "t1"), "b": user("b", "t2")}, created=[user("", "t1"), user("", "t2")])
    typed = [Typed(1.0, "t1"), Typed(2.0, "t2")]

    assert found(checks.typed, view(line(told), typed=typed)) == []
    assert "typed" in found(checks.typed, view(line(told), typed=typed[::-1]))[0]
    assert "typed" in found(checks.typed, view(line(told), typed=[*typed, Typed(3.0, "t3")]))[0]


def test_words_that_came_twice_or_were_given_up_are_found():
    told = Told(created=[user("", "t1"), user("", "t1")])

    assert "2 times" in found(checks.typed, view(line(told)))[0]
    assert "gave up" in found(checks.typed, view(line(Told(created=[user("", "t1")])), given_up=["t1"]))[0]


# --- responses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "wrong"), [(True, 1), (False, 0)])
def test_to_ask_into_a_response_that_was_asked_for_is_wrong(asked, wrong):
    active = Answer("r1", 1.0, asked=asked, aside=False, before=())
    refused = Refused(2.0, "conversation_already_has_active_response", "...", "client_9", active)

    assert len(found(checks.gate, view(line(Told(errors=[refused]))))) == wrong


def test_any_other_refusal_is_wrong_but_for_races():
    errors = [Refused(1.0, code, "", "", None) for code in ("response_cancel_not_active", "invalid_value")]

    assert len(found(checks.gate, view(line(Told(errors=errors))))) == 1


def test_an_item_without_an_answer_is_found():
    story = view(line(Told(items={"a": user("a", "u1")})))

    assert found(checks.turns, story) == ["u1 was never answered"]


@pytest.mark.parametrize(("began_s", "wrong"), [(30.0, 0), (95.0, 1)])
def test_an_answer_that_begins_late_is_found(began_s, wrong):
    answer = Answer("r1", began_s, asked=True, aside=False, before=("a",))
    told = Told(items={"a": user("a", "u1", at_s=1.0)}, answers=[answer])
    got = ledger_of((began_s, checks.BidiResponseStartEvent("r1")))

    assert len(found(checks.promptly, view(line(told), got=got))) == wrong


def test_what_comes_of_a_connection_that_was_left_is_found():
    told = Told(answers=[Answer("r1", 1.0, asked=True, aside=False, before=())])
    late = (51.0, checks.BidiResponseStartEvent("r1"))
    before = (49.0, checks.BidiResponseStartEvent("r1"))
    lines = line(told, closed=50.0), line(opened=50.0)

    assert found(checks.left_behind, view(*lines, got=ledger_of(before, moved(50.0)))) == []
    assert "connection 0" in found(checks.left_behind, view(*lines, got=ledger_of(moved(50.0), late)))[0]


def test_speech_after_the_user_cut_in_is_found():
    cut = BidiInterruptionEvent("user_speech", received_at=2.0)
    got = ledger_of((1.0, checks.BidiResponseStartEvent("r1")), (2.0, cut))
    got.append(type(got[0])(3.0, Heard("i1", "r1", 200.0, 1, 3.0)))

    assert "after the user cut in" in found(checks.fell_silent, view(line(), got=got))[0]


# --- calls, what was heard, time ------------------------------------------------------------------------------------


def test_a_call_that_is_told_twice_or_has_two_results_or_none_is_found():
    call = {"toolUseId": "c1", "name": "work", "input": {}}
    got = ledger_of(*[(1.0, ToolUseStreamEvent({"toolUse": call}, call))] * 2)
    asks = Item("a", "function_call", call_id="c1", status="completed")
    results = {key: Item(key, "function_call_output", call_id="c1") for key in ("b", "c")}

    assert "told 2 times" in found(checks.calls, view(line(), got=got))[0]
    assert "2 results" in found(checks.calls, view(line(Told(items={"a": asks, **results}))))[0]
    assert "no result" in found(checks.calls, view(line(Told(items={"a": asks}))))[0]


@pytest.mark.parametrize(
    ("mine", "wrong"),
    [
        (Remembered("a", "message", "re u1", "re u1", None), 0),
        (Remembered("a", "message", "re u1", "re", 100), 1),
        (Remembered("b", "message", "re u1", "re u1", None), 3),
    ],
)
def test_history_is_held_against_the_services(mine, wrong):
    theirs = Told(items={"a": Item("a", "message", "assistant", "re u1")})

    assert len(found(checks.history, view(line(theirs), history=[mine]))) == wrong


def test_history_of_a_cut_answer_says_where():
    theirs = Told(items={"a": Item("a", "message", "assistant", "re u1", heard_ms=100)})
    mine = Remembered("a", "message", "re u1", "re", 100)

    assert found(checks.history, view(line(theirs), history=[mine])) == []
    assert found(checks.history, view(line(theirs), history=[attrs.evolve(mine, heard_ms=None)])) != []


def test_a_new_connection_is_told_all_in_order_as_heard():
    items = {
        "a": user("a", "u1"),
        "b": Item("b", "message", "assistant", "re u1 u2", heard_ms=100, audio_ms=1000.0),
        "c": Item("c", "function_call", call_id="c1"),
    }
    whole = [items["a"], attrs.evolve(items["b"], words="re", heard_ms=None), items["c"]]

    def told(*created):
        after = line(Told(created=list(created)), opened=60.0)
        return found(checks.replay, view(line(Told(items=items)), after, got=ledger_of(moved(60.0))))

    assert told(*whole) == []
    assert "was not told" in told(*whole[:2])[0]
    assert "told whole" in told(whole[0], items["b"], whole[2])[0]
    assert "another order" in told(*whole[::-1])[0]


def test_what_was_heard_of_speech_is_told_to_the_service():
    got = ledger_of((2.0, BidiInterruptionEvent("user_speech", received_at=2.0)))
    got.insert(0, type(got[0])(1.5, Heard("i1", "r1", 1000.0, 1)))

    def told(*cuts):
        return found(checks.playback, view(line(Told(speech={"i1": [(1000.0, 1)]}, cuts=list(cuts))), got=got))

    assert told((2.0, "i1", 500)) == []
    assert "was not told" in " ".join(told())
    assert "told 900" in told((2.0, "i1", 900))[0]


def test_a_player_plays_one_piece_after_the_other():
    player = Player()
    player.give(1.0, "a", 500.0)
    player.give(1.0, "b", 500.0)

    assert player.cut(1.7) == [("b", pytest.approx(200.0))]
    assert player.cut(9.0) == []


def test_a_dead_connection_is_left_in_time_and_an_old_one_is_closed():
    assert found(checks.liveness, view(line(broke=10.0, closed=40.0))) == []
    assert "broke at 10.00" in found(checks.liveness, view(line(broke=10.0, closed=60.0)))[0]
    story = view(line(closed=60.0), line(opened=50.0), got=ledger_of(moved(50.0)))
    assert "was left at 50.00" in found(checks.liveness, story)[0]


def test_what_takes_too_long_or_raises_what_it_must_not_is_found():
    assert found(checks.waits, view(waits=[Wait("stop", 1.0, 3.0)])) == []
    assert "took" in found(checks.waits, view(waits=[Wait("stop", 1.0, 4.0)]))[0]
    assert "raised ValueError" in found(checks.waits, view(waits=[Wait("stop", 1.0, 1.0, "ValueError")]))[0]


def test_an_end_that_nothing_explains_is_found():
    assert "KeyError" in found(checks.endings, view(error=KeyError()))[0]
    assert "never closed" in found(checks.endings, view(ends=[INF]))[0]
