"""Work on the items of a conversation, and ask for responses beside it."""

import trio
import trio.testing

from engine import BidiTranscriptStreamEvent, ClientSettings, ServerReported, SessionConfig, open_session
from engine.simulator import Say, Script, serve
from engine.testing import in_memory
from engine.wire.items import Content, Item, MessageItem

SCRIPT = Script.of(Say("Oslo, I think."), Say("travel"), Say("English"))


def said(item: Item) -> tuple[Content, ...]:
    return item.content if isinstance(item, MessageItem) else ()


async def main() -> None:
    config = SessionConfig(client=ClientSettings(api_key="any-text"), output_modalities="text")
    async with (
        serve(responder_factory=SCRIPT.responder, host=None) as simulator,
        open_session(config, connector=in_memory(simulator)) as session,
    ):
        # Items: each call returns what the service made of it, or raises what it said.
        question = await session.items.create(text="Which city was it?", id="question")
        await session.items.create(text="We spoke of Norway.", role="system", after="root")
        print([held.transcript for held in session.history])

        # A response in the conversation, with instructions of its own.
        answer = await session.responses.create(instructions="Guess.", metadata={"purpose": "guess"})
        print(answer.metadata, (await answer.done()).status)

        # Out of band: it leaves no trace in the conversation, and its events come here alone.
        topic = await session.responses.create(
            conversation="none", instructions="Name the topic in one word.", metadata={"purpose": "topic"}
        )
        async for event in topic:
            if isinstance(event, BidiTranscriptStreamEvent) and event.is_final:
                print("beside:", event.text)

        # It may see other items than the conversation's.
        language = await session.responses.create(
            conversation="none",
            instructions="Name the language in one word.",
            input=[{"type": "item_reference", "id": question.id}],
        )
        print("beside:", [part.text for item in (await language.done()).output or () for part in said(item)])

        await session.items.delete("question")
        try:
            await session.items.delete("question")
        except ServerReported as error:
            print(error.code)
        print([held.transcript for held in session.history])


trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
