"""Makes talks at random: the service's messages about few things, some hostile, the application's calls, and time."""

import json

from fuzz_samples import sample, samples

from engine.config.asked import METADATA_ID_KEY
from engine.wire.items import ITEM_CLASSES
from engine.wire.server import SERVER_CLASSES

IDS = {
    "response_id": ("resp_1", "resp_2", "resp_3"),
    "item_id": ("item_1", "item_2", "item_3"),
    "previous_item_id": ("item_1", "item_2", None),
    "call_id": ("call_1", "call_2"),
    "id": ("resp_1", "resp_2", "item_1", "item_2"),
    "event_id": ("client_1", "client_2", "client_3", "event_1"),
}
"""Few, so that events speak of the same things."""

STATUSES = ("completed", "cancelled", "failed", "incomplete", "in_progress", None)
CODES = (
    "conversation_already_has_active_response",
    "response_cancel_not_active",
    "invalid_value",
    "session_expired",
    "insufficient_quota",
    None,
)

ITEMS = tuple(sample(cls) for cls in ITEM_CLASSES.values())

LIKELY = (
    "ResponseCreated",
    "ResponseDone",
    "ResponseOutputItemAdded",
    "ResponseOutputItemDone",
    "ResponseOutputAudioDelta",
    "ResponseFunctionCallArgumentsDone",
    "InputAudioBufferSpeechStarted",
    "InputAudioBufferCommitted",
    "ConversationItemAdded",
    "ConversationItemDone",
    "SessionUpdated",
    "ErrorReported",
)
OPENING = '{"type":"session.created","session":{"type":"realtime"}}'

CALLS = (
    "text hello",
    "assistant I said so",
    "image",
    "result call_1 yes",
    'result call_2 {"a": [1]}',
    "interrupt",
    "commit",
    "commit answered",
    "clear",
    "tell something happened",
    "report item_1 500",
    "report item_2 1e9",
    "withdraw 1",
    "withdraw 2",
    'send {"type":"response.create"}',
    'send {"type":"response.create","response":{"conversation":"none"}}',
    'send {"type":"response.cancel"}',
    'send {"type":"session.update","session":{"type":"realtime"}}',
    'send {"type":"conversation.item.delete","item_id":"item_1"}',
    'ask {"type":"response.create"}',
    'ask {"type":"response.create","response":{"conversation":"none"}}',
    'ask {"type":"response.cancel"}',
    'ask {"type":"response.cancel","response_id":"resp_1"}',
    'ask {"type":"session.update","session":{"type":"realtime","instructions":"x"}}',
    'ask {"type":"conversation.item.create","item":{"type":"function_call_output","call_id":"call_1","output":"x"}}',
    'ask {"type":"conversation.item.create","item":{"type":"message","id":"item_1","role":"user","content":[]}}',
    'ask {"type":"conversation.item.delete","item_id":"item_2"}',
    'ask {"type":"conversation.item.retrieve","item_id":"item_1"}',
    'ask {"type":"conversation.item.truncate","item_id":"item_1","content_index":0,"audio_end_ms":10}',
    'ask {"type":"input_audio_buffer.clear"}',
)
WAITS = ("0", "0.001", "0.5", "5", "15", "61", "3000")


def talk(mutator, steps=40):
    """Make a talk of so many steps at most."""
    rng = mutator.random
    lines = [OPENING] if rng.random() < 0.8 else []
    good = samples()
    for _ in range(rng.randint(1, steps)):
        match rng.choices(("likely", "any", "hostile", "call", "wait", "lost"), (40, 15, 8, 25, 11, 1))[0]:
            case "likely":
                lines.append(json.dumps(_about(good[rng.choice(LIKELY)], rng)))
            case "any":
                lines.append(json.dumps(_about(good[rng.choice(SERVER_NAMES)], rng)))
            case "hostile":
                lines.append(_one_line(mutator.message(_about(good[rng.choice(SERVER_NAMES)], rng))))
            case "call":
                lines.append("> " + rng.choice(CALLS))
            case "wait":
                lines.append("~ " + rng.choice(WAITS))
            case _:
                lines.append("! " + rng.choice(("1000", "1001", "1006", "")))
    return "\n".join(lines)


def _about(value, rng, key=""):
    """Give a message about the few things, in some state."""
    if key == "item":
        value = rng.choice(ITEMS)
    if isinstance(value, list):
        value = [item for item in value if rng.random() < 0.5]
        return [_about(item, rng, key) for item in value]
    if key == "metadata":
        return {METADATA_ID_KEY: rng.choice(IDS["event_id"])}
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if name in NEEDED or rng.random() < 0.8}
        return {name: _about(item, rng, name) for name, item in kept.items()}
    if key in IDS and isinstance(value, str):
        return rng.choice(IDS[key])
    if key == "status":
        return rng.choice(STATUSES)
    if key == "code":
        return rng.choice(CODES)
    if key == "conversation_id":
        return rng.choice(("conv_1", None))
    return value


def _one_line(message):
    text = message if isinstance(message, str) else message.decode(errors="replace")
    return " ".join(text.splitlines())


NEEDED = frozenset({"type", "response", "item", "session", "error", "part", "delta", "transcript", "text", "arguments"})
NEEDED |= frozenset({"item_id", "response_id", "output_index", "content_index", "role", "call_id", "name", "content"})
"""Fields that are seldom left out: without them a message is mostly not read at all."""

SERVER_NAMES = tuple(cls.__name__ for cls in SERVER_CLASSES.values())
