"""What the agent answers: each test is a turn of a conversation."""

import orjson
import pytest

from engine.simulator.local_voice import dialog
from engine.simulator.responder import Call, Prompt, Say
from engine.wire.items import Content, FunctionCallItem, FunctionCallOutputItem, MessageItem
from engine.wire.session import Session, Tool

SCORE = Tool(type="function", name="score_hand")
LOOK_UP = Tool(type="function", name="look_up_passage")
BOTH = Session(tools=(SCORE, LOOK_UP))


def typed(text, item_id="item_1"):
    return MessageItem(id=item_id, role="user", content=(Content(type="input_text", text=text),))


def spoken(transcript, item_id="item_1"):
    return MessageItem(id=item_id, role="user", content=(Content(type="input_audio", transcript=transcript),))


def agent(text):
    return MessageItem(role="assistant", content=(Content(type="output_audio", transcript=text),))


def call(name, arguments, call_id="call_1"):
    return FunctionCallItem(name=name, arguments=orjson.dumps(arguments).decode(), call_id=call_id)


def result(output, call_id="call_1"):
    return FunctionCallOutputItem(call_id=call_id, output=output)


def prompt(*items, session=BOTH):
    return Prompt(session=session, items=items, audio={}, trigger="vad", number=0)


def say(*items, session=BOTH, heard=None):
    (part,) = dialog.reply(prompt(*items, session=session), heard)
    assert isinstance(part, Say)
    return part.text


@pytest.mark.parametrize("message", [typed("ten of clubs"), spoken("ten of clubs")])
def test_cards_are_scored_typed_or_spoken(message):
    assert dialog.reply(prompt(message)) == [Call("score_hand", '{"cards":["ten of clubs"]}')]


def test_cards_in_an_imperfect_transcript_are_scored():
    assert dialog.reply(prompt(spoken("ate of spades for of clubs"))) == [
        Call("score_hand", '{"cards":["eight of spades","four of clubs"]}')
    ]


def test_the_hand_is_said_with_its_score():
    items = (spoken("ten of clubs"), call("score_hand", {"cards": ["ten of clubs", "two of hearts"]}))
    assert say(*items, result('{"score": 12}')) == "Your hand is ten of clubs and two of hearts. It scores 12 points."
    assert say(*items, result("12.5")).endswith("It scores 12.5 points.")


def test_a_score_without_known_cards_is_said_alone():
    assert say(call("score_hand", {}), result("7")) == "It scores 7 points."
    assert say(call("score_hand", []), result("7")) == "It scores 7 points."


def test_a_sentence_is_looked_up():
    words = "he was not an ill disposed young man"
    assert dialog.reply(prompt(spoken(words))) == [Call("look_up_passage", f'{{"words":"{words}"}}')]


def test_a_known_book_is_named_and_talked_about_at_length():
    said = say(
        spoken("he was not an ill disposed young man"),
        call("look_up_passage", {"words": "he was not an ill disposed young man"}),
        result('{"title": "Sense and Sensibility", "author": "Jane Austen"}'),
    )
    assert said.startswith("I heard: he was not an ill disposed young man. That is from Sense and Sensibility by Jane")
    assert len(said.split()) > 100


def test_another_book_is_named():
    said = say(call("look_up_passage", {"words": "Call me Ishmael."}), result('{"title": "Moby-Dick"}'))
    assert said.startswith("I heard: Call me Ishmael. That is from Moby-Dick. ")


@pytest.mark.parametrize("output", ["null", "{}", '{"title": null}', "not json"])
def test_an_unknown_sentence_is_talked_about_too(output):
    said = say(call("look_up_passage", {"words": "it rained"}), result(output))
    assert said.startswith("I heard: it rained. I could not say which book")


def test_a_caller_who_cuts_in_with_cards_is_answered_about_the_cards():
    items = (
        spoken("he was not an ill disposed young man"),
        call("look_up_passage", {"words": "he was not"}),
        result("{}"),
        agent("I heard: he was"),
        spoken("ten of clubs", "item_2"),
    )
    assert dialog.reply(prompt(*items)) == [Call("score_hand", '{"cards":["ten of clubs"]}')]


def test_a_tools_error_is_told():
    assert say(call("score_hand", {}), result('{"error": "no such card"}')) == "That did not work: no such card."


def test_the_result_of_an_unknown_tool_or_shape_is_read_out():
    assert say(call("weather", {}), result("sunny")) == "The result is: sunny."
    assert say(result("sunny", "call_nobody_made")) == "The result is: sunny."
    assert say(call("score_hand", {}), result('"many"')) == 'The result is: "many".'


def test_results_of_parallel_calls_are_told_in_their_order():
    items = (
        typed("go"),
        result("1", "call_0"),
        agent("One."),
        call("score_hand", {}, "call_1"),
        call("score_hand", {}, "call_2"),
        result("1", "call_1"),
        result("2", "call_2"),
    )
    assert say(*items) == "It scores 1 points. It scores 2 points."


@pytest.mark.parametrize(
    "session",
    [
        Session(),
        Session(tools=()),
        Session(tools=(SCORE, LOOK_UP), tool_choice="none"),
        Session(tools=(Tool(type="function", name="other"), Tool(type="mcp", server_label="score_hand"))),
    ],
)
def test_without_a_tool_the_agent_says_what_it_heard(session):
    assert say(typed("ten of clubs two of hearts"), session=session) == "I heard: ten of clubs and two of hearts."
    long = say(typed("he was not an ill disposed young man."), session=session)
    assert long.startswith("I heard: he was not an ill disposed young man. ")
    assert len(long.split()) > 80


def test_a_forced_choice_leaves_only_that_tool():
    forced = Session(tools=(SCORE, LOOK_UP), tool_choice={"type": "function", "name": "look_up_passage"})
    assert dialog.offered_tools(forced) == {"look_up_passage"}
    assert say(typed("ten of clubs"), session=forced) == "I heard: ten of clubs."


@pytest.mark.parametrize("choice", ["auto", "required", None, {"type": "auto"}])
def test_other_choices_leave_all_tools(choice):
    assert dialog.offered_tools(Session(tools=(SCORE,), tool_choice=choice)) == {"score_hand"}


@pytest.mark.parametrize("message", [spoken(None), spoken(""), typed("  ?")])
def test_nothing_understood_is_asked_again_shortly(message):
    said = say(message)
    assert said == dialog.NOT_HEARD
    assert said.endswith("?")


def test_what_was_written_down_beside_the_item_counts():
    assert dialog.reply(prompt(spoken(None)), {"item_1": "ten of clubs"}) == [
        Call("score_hand", '{"cards":["ten of clubs"]}')
    ]


def test_a_few_words_are_said_back_with_an_invitation():
    assert say(typed("blue whale")) == f"I heard: blue whale. I can do little with that. {dialog.INVITATION}"


@pytest.mark.parametrize(("words", "answer"), [("Hello!", "Hello."), ("Thank you.", "You are"), ("BYE", "Goodbye")])
def test_small_talk_is_answered(words, answer):
    assert say(typed(words)).startswith(answer)


def test_an_empty_conversation_begins_with_a_greeting():
    assert say() == dialog.NOTHING_ASKED


def test_with_nothing_new_the_agent_asks_whether_somebody_is_there():
    assert say(typed("hello"), agent("Hello.")) == dialog.STILL_THERE


@pytest.mark.parametrize("output", ['[{"json":{"score":12}}]', '[{"text":"{\\"score\\": 12}"}]', '[{"text":"12"}]'])
def test_a_result_in_the_contracts_blocks_is_understood(output):
    assert say(call("score_hand", {}), result(output)) == "It scores 12 points."
