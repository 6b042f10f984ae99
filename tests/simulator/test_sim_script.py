"""Scripts: which turn answers, what is heard, and what is wrong in a file."""

import pytest
from sim_client import speech, talk

from engine.errors import ConfigError
from engine.simulator import Call, Fail, Incomplete, Say, Script, Turn, Unheard, load_script

FILE = """
echo = "Pardon: {text}"
transcripts = ["What is the weather in Oslo?", { fail = "no_speech" }, {}]

[[turn]]
when = "weather"
repeat = true
think_ms = 300
parts = [{ say = "Let me look." }, { call = "get_weather", arguments = { city = "Oslo" } }]

[[turn]]
say = "Only once."
repeat = false

[[turn]]
repeat = 2
parts = [
    { call = "raw", arguments = "{not json", call_id = "call_1" },
    { fail = "rate_limit_exceeded", message = "Slow down.", error_type = "tokens" },
    { fail = "server_error" },
    { incomplete = "content_filter" },
]
"""


def test_a_file_holds_all_that_a_script_can_say(tmp_path):
    path = tmp_path / "talk.toml"
    path.write_text(FILE)
    script = load_script(str(path))
    assert script.echo == "Pardon: {text}"
    assert script.transcripts == ("What is the weather in Oslo?", Unheard("no_speech"), Unheard())
    weather, once, rest = script.turns
    assert weather.when.pattern == "weather"
    assert (weather.repeat, weather.think_ms) == (None, 300)
    assert weather.parts == (Say("Let me look."), Call("get_weather", '{"city":"Oslo"}'))
    assert (once.parts, once.repeat) == ((Say("Only once."),), 1)
    assert rest.repeat == 2
    assert rest.parts == (
        Call("raw", "{not json", "call_1"),
        Fail("rate_limit_exceeded", "Slow down.", "tokens"),
        Fail("server_error"),
        Incomplete("content_filter"),
    )


@pytest.mark.parametrize(
    ("text", "where", "allowed"),
    [
        ("ecco = 1", "ecco", "echo, transcripts, turn"),
        ("echo = 1", "echo", "text"),
        ("turn = 1", "turn", "an array"),
        ("turn = [1]", "turn[0]", "a table with when, repeat"),
        ("[[turn]]\nwhen = 'a'", "turn[0]", "either `say` or `parts`"),
        ("[[turn]]\nsay = 'a'\nparts = []", "turn[0]", "either `say` or `parts`"),
        ("[[turn]]\nsay = 1", "turn[0].parts[0].say", "text"),
        ("[[turn]]\nsay = 'a'\nthen = 'b'", "turn[0].then", "the keys when"),
        ("[[turn]]\nsay = 'a'\nwhen = '('", "turn[0].when", "a regular expression"),
        ("[[turn]]\nsay = 'a'\nrepeat = 'often'", "turn[0].repeat", "true or false or a whole number"),
        ("[[turn]]\nsay = 'a'\nthink_ms = true", "turn[0].think_ms", "a number or a whole number"),
        ("[[turn]]\nparts = [{ shout = 'a' }]", "turn[0].parts[0]", "exactly one of say, call, fail, incomplete"),
        ("[[turn]]\nparts = ['a']", "turn[0].parts[0]", "exactly one of"),
        ("[[turn]]\nparts = [{ say = 'a', loud = true }]", "turn[0].parts[0].loud", "the keys say"),
        ("[[turn]]\nparts = [{ call = 'f', arguments = 1 }]", "turn[0].parts[0].arguments", "a table, or JSON text"),
        ("[[turn]]\nparts = [{ incomplete = 'tired' }]", "turn[0].parts[0].incomplete", "max_output_tokens or"),
        ("[[turn]]\nsay = 'a'\nrepeat = 0", "turn[0].repeat", "1 or more, or true for always"),
        ("[[turn]]\nsay = 'a'\nrepeat = -1", "turn[0].repeat", "1 or more, or true for always"),
        ("[[turn]]\nsay = 'a'\nthink_ms = -5", "turn[0].think_ms", "0 or more"),
        ("[[turn]]\nsay = 'a'\nthink_ms = nan", "turn[0].think_ms", "0 or more"),
        ("[[turn]]\nparts = []", "turn[0].parts", "at least one part"),
        ("transcripts = [1]", "transcripts[0]", "a table with fail"),
    ],
)
def test_a_wrong_file_is_told_by_file_key_and_what_is_allowed(text, where, allowed, tmp_path):
    path = tmp_path / "talk.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_script(path)
    assert caught.value.field == f"talk.toml: {where}"
    assert allowed in caught.value.allowed


def test_arguments_may_be_a_mapping():
    assert Call("f", {"minutes": 10}) == Call("f", '{"minutes":10}')
    assert Call("f", "no json").arguments == "no json"


def test_a_file_that_is_not_there_or_no_toml(tmp_path):
    with pytest.raises(ConfigError, match="a file that can be read"):
        load_script(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("= =")
    with pytest.raises(ConfigError, match="a TOML file"):
        load_script(tmp_path / "bad.toml")


async def answers(script, *texts):
    said = []
    async with talk(script=script) as client:
        await client.update(output_modalities=["text"])
        for text in texts:
            await client.say(text)
            said.append((await client.ask())["output"][0]["content"][0]["text"])
    return said


async def test_turns_answer_in_order_and_patterns_where_they_fit(autojump_clock):
    turns = [
        Turn([Say("It is cold.")], when="WEATHER", repeat=None),
        Turn([Say("First.")]),
        Turn([Say("Twice.")], repeat=2),
    ]
    said = await answers(Script(turns), "a", "the weather?", "b", "c", "weather again", "d")
    assert said == ["First.", "It is cold.", "Twice.", "Twice.", "It is cold.", "You said: d"]


async def test_each_session_starts_the_script_anew(autojump_clock):
    script = Script.of(Say("First."))
    assert await answers(script, "a") == await answers(script, "a") == ["First."]


async def test_patterns_see_transcripts_and_functions_outputs(autojump_clock):
    script = Script(
        [Turn([Call("get_weather")], when="weather"), Turn([Say("Two degrees.")], when="^2 degrees$")],
        transcripts=["what is the weather"],
    )
    async with talk(script=script) as client:
        await client.hear(speech(500))
        call = (await client.until("response.done"))["response"]["output"][0]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "2 degrees"}
        await client.send("conversation.item.create", item=output)
        response = await client.ask()
    assert response["output"][0]["content"][0]["transcript"] == "Two degrees."


async def test_assistant_messages_are_not_what_was_said_last(autojump_clock):
    async with talk() as client:
        await client.update(output_modalities=["text"])
        await client.say("question")
        await client.ask()
        assert (await client.ask())["output"][0]["content"][0]["text"] == "You said: question"
