"""What the local agent answers: a small table of rules over the conversation's items. No audio, no I/O.

The caller reads out cards, and the agent asks the tool `score_hand` what they are worth; or reads a sentence, and the
agent asks `look_up_passage` which book it is from, and talks about it until the caller cuts in. A tool that the session
does not offer is not called: the agent then says what it heard.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from engine.simulator.local_voice import results
from engine.simulator.local_voice.cards import hear_cards, say_cards, words_of
from engine.simulator.responder import Call, Part, Prompt, Say
from engine.wire.items import FunctionCallItem, FunctionCallOutputItem, Item, MessageItem
from engine.wire.session import Session

SENTENCE_MIN_WORDS: Final = 4
"""From how many words on speech counts as a sentence from a book."""

INVITATION: Final = "Read me your cards, or a sentence from a book."

SMALL_TALK: Final[Mapping[str, str]] = {
    "hello": f"Hello. {INVITATION}",
    "hello there": f"Hello. {INVITATION}",
    "hi": f"Hello. {INVITATION}",
    "good morning": f"Good morning. {INVITATION}",
    "help": INVITATION,
    "thanks": "You are welcome.",
    "thank you": "You are welcome.",
    "yes": f"Good. {INVITATION}",
    "no": "All right.",
    "stop": "All right, I stop.",
    "goodbye": "Goodbye.",
    "bye": "Goodbye.",
}

NOT_HEARD: Final = "Sorry, I did not hear that. Could you say it again?"
NOTHING_ASKED: Final = f"Hello. {INVITATION}"
STILL_THERE: Final = "Are you still there?"


def reply(prompt: Prompt, heard: Mapping[str, str] | None = None) -> Sequence[Part]:
    """Answer.

    Args:
        prompt: What is asked.
        heard: Transcripts of spoken items that hold none, by item id.

    Returns:
        One `Say` or one `Call`.
    """
    outputs = _trailing_outputs(prompt.items)
    if outputs:
        return [Say(" ".join(_say_result(output, prompt.items) for output in outputs))]
    message = last_user_message(prompt.items)
    if message is None:
        return [Say(STILL_THERE if prompt.items else NOTHING_ASKED)]
    words = words_in(message) or (heard or {}).get(message.id or "", "")
    return [_answer_words(words.strip(), offered_tools(prompt.session))]


def last_user_message(items: Sequence[Item]) -> MessageItem | None:
    """Give the message to answer: the newest item, when the user said it."""
    last = items[-1] if items else None
    return last if isinstance(last, MessageItem) and last.role == "user" else None


def words_in(message: MessageItem) -> str:
    """Join what a message says, written and spoken."""
    return " ".join(part.text or part.transcript or "" for part in message.content).strip()


def offered_tools(session: Session) -> frozenset[str]:
    """Name the functions that may be called: those of the session that `tool_choice` leaves.

    `required` is taken as `auto`: this agent calls what fits, or nothing.
    """
    names = frozenset(tool.name for tool in session.tools or () if tool.type == "function" and tool.name)
    choice = session.tool_choice
    if choice == "none":
        return frozenset()
    if isinstance(choice, Mapping) and "name" in choice:
        return names & {choice["name"]}
    return names


def _answer_words(words: str, offered: frozenset[str]) -> Part:
    plain = " ".join(words_of(words))
    if not plain:
        return Say(NOT_HEARD)
    if plain in SMALL_TALK:
        return Say(SMALL_TALK[plain])
    cards = hear_cards(words)
    if cards:
        return _call("score_hand", {"cards": cards}, offered) or Say(f"I heard: {say_cards(cards)}.")
    if len(plain.split()) >= SENTENCE_MIN_WORDS:
        return _call("look_up_passage", {"words": words}, offered) or Say(results.talk_about(words))
    return Say(f"I heard: {plain}. I can do little with that. {INVITATION}")


def _call(name: str, arguments: Mapping[str, object], offered: frozenset[str]) -> Call | None:
    return Call(name, orjson.dumps(arguments).decode()) if name in offered else None


def _trailing_outputs(items: Sequence[Item]) -> list[FunctionCallOutputItem]:
    """Give the results that came since anybody last spoke, oldest first; none unless one is the newest item."""
    found: list[FunctionCallOutputItem] = []
    if not items or not isinstance(items[-1], FunctionCallOutputItem):
        return found
    for item in reversed(items):
        if isinstance(item, FunctionCallOutputItem):
            found.insert(0, item)
        elif not isinstance(item, FunctionCallItem):
            break
    return found


def _say_result(output: FunctionCallOutputItem, items: Sequence[Item]) -> str:
    calls = (item for item in items if isinstance(item, FunctionCallItem) and item.call_id == output.call_id)
    call = next(calls, None)
    return results.say_result(call.name if call else "", call.arguments if call else "", output.output)
