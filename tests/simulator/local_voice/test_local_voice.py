"""The responder as the simulator uses it."""

import pytest
import trio
import trio.testing

from engine.demo.lines import CARDS, PASSAGES
from engine.simulator.local_voice import LocalVoice
from engine.simulator.responder import Call, Prompt, Responder, ResponderFactory, Say
from engine.wire.items import Content, MessageItem
from engine.wire.session import Session, Tool, TurnDetection

TEN_OF_CLUBS = CARDS[0].read_pcm24k()


def prompt_with(audio, transcript=None, item_id="item_1"):
    message = MessageItem(id=item_id, role="user", content=(Content(type="input_audio", transcript=transcript),))
    session = Session(tools=(Tool(type="function", name="score_hand"),))
    return Prompt(session=session, items=(message,), audio=audio, trigger="vad", number=0)


@pytest.fixture(params=[True, False], ids=["threads", "inline"])
def voice(request):
    return LocalVoice(threads=request.param)


async def test_the_class_is_a_factory_of_responders():
    factory: ResponderFactory = LocalVoice
    responder: Responder = factory()
    assert responder.detector(TurnDetection(type="server_vad")).push(bytes(960)) == []


async def test_warmed_up_it_hears_and_speaks(voice):
    await voice.warm_up()
    assert await voice.transcribe(TEN_OF_CLUBS) == "ten of clubs"
    pieces = [piece async for piece in voice.speak("Ten of clubs. Two of hearts.", "alloy")]
    assert len(pieces) == 2
    assert all(pieces)


async def test_speech_without_a_transcript_is_written_down_for_the_answer(voice):
    answer = await voice.answer(prompt_with({"item_1": TEN_OF_CLUBS}))
    assert answer == [Call("score_hand", '{"cards":["ten of clubs"]}')]


async def test_a_transcript_that_is_there_is_believed(voice):
    answer = await voice.answer(prompt_with({"item_1": TEN_OF_CLUBS}, "two of hearts"))
    assert answer == [Call("score_hand", '{"cards":["two of hearts"]}')]


async def test_speech_of_which_nothing_is_left_is_asked_again(voice):
    (part,) = await voice.answer(prompt_with({}))
    assert isinstance(part, Say)
    assert part.text.endswith("?")


async def test_a_cancelled_transcription_leaves_the_recogniser_usable():
    voice = LocalVoice()
    await voice.warm_up()
    with trio.move_on_after(0.02) as scope:
        await voice.transcribe(PASSAGES[1].read_pcm24k() + bytes(962))
    assert scope.cancelled_caught
    assert await voice.transcribe(CARDS[1].read_pcm24k()) == "seven of clubs"


async def test_speech_that_is_cut_off_leaves_the_voice_usable():
    voice = LocalVoice()
    await voice.warm_up()
    whole = [piece async for piece in voice.speak("One more time.", "alloy")]
    with trio.move_on_after(0.01):
        async for _ in voice.speak("A long sentence that nobody will hear to its end. " * 5, "alloy"):
            pass
    assert [piece async for piece in voice.speak("One more time.", "alloy")] == whole


async def test_other_tasks_go_on_while_a_turn_is_written_down():
    voice = LocalVoice()
    await voice.warm_up()
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await trio.sleep(0.005)
            ticks += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        await voice.transcribe(PASSAGES[0].read_pcm24k())
        nursery.cancel_scope.cancel()
    assert ticks >= 10


async def test_inline_work_takes_no_time_of_the_mock_clock(autojump_clock):
    voice = LocalVoice(threads=False)
    before = trio.current_time()
    assert await voice.transcribe(CARDS[2].read_pcm24k()) == CARDS[2].transcript
    assert [piece async for piece in voice.speak("Hello.", "alloy")]
    assert trio.current_time() == before


async def test_sessions_share_the_models_without_harm():
    heard = {}

    async def session(line):
        heard[line.file] = await LocalVoice().transcribe(line.read_pcm24k() + bytes(480))

    async with trio.open_nursery() as nursery:
        for line in CARDS:
            nursery.start_soon(session, line)
    assert heard == {line.file: line.transcript for line in CARDS}
