"""The screen: lines without a terminal, words as they come with one."""

import io

from rich.console import Console

from engine.demo.screen import Screen


def screen_on(**settings):
    return Screen(Console(file=io.StringIO(), width=60, highlight=False, **settings))


def test_without_a_terminal_each_entry_is_one_line_in_the_order_in_which_they_began():
    screen = screen_on()
    with screen:
        caller = screen.begin(1.0, "caller")
        agent = screen.begin(2.0, "agent")
        screen.say(agent, "a long answer that would be wrapped where a terminal ends, which is here not so")
        screen.end(agent, note="noted")
        assert screen.console.file.getvalue() == ""
        screen.end(caller, words="a question")
        screen.begin(3.0, "tool", "never answered")

    assert screen.console.file.getvalue().splitlines() == [
        "   1.0 s  caller  a question",
        "   2.0 s  agent   a long answer that would be wrapped where a terminal ends, which is here not so  [noted]",
        "   3.0 s  tool    never answered",
    ]


def test_on_a_terminal_words_come_as_they_are_said_and_the_last_state_stays():
    screen = screen_on(force_terminal=True)
    with screen:
        entry = screen.begin(1.0, "caller")
        screen.say(entry, "one ")
        assert "one" in screen.console.file.getvalue()
        screen.end(entry, words="one two", note="noted")

    shown = screen.console.file.getvalue()
    assert "one two" in shown
    assert "noted" in shown
