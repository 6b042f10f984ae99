"""What an agent remembers, as the service is told it."""

import copy
import logging

import pytest

pytest.importorskip("strands.bidi", reason="needs strands-agents>=1.58 in this environment")

from engine.contract import messages_to_items
from engine.errors import UnsupportedContent
from engine.integrations.strands.messages import replayable


def said(role, *blocks, **more):
    return {"role": role, "content": [{"text": each} if isinstance(each, str) else each for each in blocks], **more}


def call(call_id="call_1", name="score"):
    return {"toolUseId": call_id, "name": name, "input": {"hand": "10"}}


def used(*calls):
    return said("assistant", *({"toolUse": each} for each in calls))


def result(call_id="call_1", content=({"text": "ten"},)):
    return {"toolResult": {"toolUseId": call_id, "status": "success", "content": list(content)}}


def dispatched(*ids):
    started = [result(each, [{"text": "started"}]) for each in ids]
    return said("user", *started, metadata={"custom": {"bidi": {"kind": "tool_dispatch"}}})


def finished(*ids):
    return said("user", *map(result, ids), metadata={"custom": {"bidi": {"kind": "tool_result"}}})


def kinds(messages):
    return [next(iter(block)) for message in messages for block in message["content"]]


def test_talk_in_words_and_calls_stays_as_it_is_without_what_strands_adds():
    talk = [said("user", "Score it."), used(call()), said("user", result()), said("assistant", "Ten.")]
    noted = [{**message, "tracking_id": str(index), "metadata": {}} for index, message in enumerate(talk)]

    assert replayable(noted) == talk


def test_messages_are_not_changed():
    talk = [said("user", "a", {"image": {}}), used(call()), dispatched("call_1")]
    before = copy.deepcopy(talk)

    replayable(talk, [call(), call("call_2")])

    assert talk == before


def test_what_the_service_takes_no_text_of_is_left_out_and_counted(caplog):
    talk = [
        said("user", {"image": {"format": "png"}}, "What is it?"),
        said("assistant", {"reasoningContent": {}}, "A cat."),
        said("user", {"image": {}}),
    ]

    with caplog.at_level(logging.WARNING):
        kept = replayable(talk)

    assert kept == [said("user", "What is it?"), said("assistant", "A cat.")]
    assert "image (2), reasoningContent (1)" in caplog.text
    assert "cat" not in caplog.text


def test_message_that_is_still_being_said_is_left_out():
    assert replayable([said("user"), said("assistant", ""), said("user", "Hello")]) == [said("user", "Hello")]


def test_call_that_is_noted_at_its_start_and_with_its_result_is_told_once_with_its_result():
    talk = [used(call()), dispatched("call_1"), said("assistant", "Wait."), used(call()), finished("call_1")]

    kept = replayable(talk)

    assert kinds(kept) == ["text", "toolUse", "toolResult"]
    assert kept[-1]["content"] == [result("call_1")]


def test_call_whose_tool_runs_on_is_told_without_a_result():
    kept = replayable([used(call()), dispatched("call_1")], [call()])

    assert kinds(kept) == ["toolUse"]


def test_result_that_the_agent_has_noted_and_not_sent_yet_is_not_told():
    kept = replayable([used(call()), said("user", result())], [call()])

    assert kinds(kept) == ["toolUse"]


def test_call_whose_tool_was_given_up_keeps_what_was_noted_of_its_start():
    kept = replayable([used(call()), dispatched("call_1")])

    assert kinds(kept) == ["toolUse", "toolResult"]


def test_call_that_runs_on_and_that_the_agent_has_not_noted_comes_last():
    kept = replayable([said("user", "Score it.")], [call(), call("call_2")])

    assert kinds(kept) == ["text", "toolUse", "toolUse"]
    assert kept[-1]["content"][0]["toolUse"] == call("call_2")


def test_result_loses_what_is_neither_text_nor_json():
    kept = replayable([used(call()), said("user", result("call_1", [{"image": {}}, {"json": {"points": 10}}]))])

    assert kept[-1]["content"][0]["toolResult"]["content"] == [{"json": {"points": 10}}]


@pytest.mark.parametrize("wrong", ["words", {"role": "user", "content": "words"}, {"role": "user", "content": ["w"]}])
def test_message_of_another_shape_is_refused_by_its_place(wrong):
    kept = replayable([said("user", "Hello"), wrong], [call()])

    with pytest.raises(UnsupportedContent, match=r"messages\[1\]"):
        messages_to_items(kept, str)


def test_no_messages_are_none():
    assert replayable(None) == []


def test_everything_that_is_kept_can_be_told():
    talk = [
        said("user", {"image": {}}, "a", {"document": {}}),
        used(call("x" * 40)),
        dispatched("x" * 40),
        used(call("call_2"), call("call_3")),
        said("user", result("call_2", [{"image": {}}])),
        said("assistant", {"reasoningContent": {}}),
    ]

    assert messages_to_items(replayable(talk, [call("call_9")]), lambda each: each[:32])
