"""What the service says when it refuses: codes, texts, parameters and close codes, as data.

Sources: probes and captures of the service in 2026, the API reference, and client code that matches on these texts.
Where the code of an error was never recorded, the comment says so.
"""

from typing import Any, Final

import attrs

INVALID_REQUEST: Final = "invalid_request_error"


@attrs.frozen
class Entry:
    """One kind of error.

    Attributes:
        code: Template of what stands in `error.code`.
        message: Template of the text.
        param: The parameter it always names, or None.
        anonymous: True when `error.event_id` is null even if the client's event had an id.
        close_code: WebSocket close code that follows, or None when the session goes on.
    """

    code: str | None
    message: str
    param: str | None = None
    anonymous: bool = False
    close_code: int | None = None


class Refusal(Exception):
    """A client event can't be done; the session answers with this error and goes on.

    Attributes:
        entry: The kind of error.
        code: What stands in `error.code`.
        message: The text.
        param: The parameter that is wrong.
    """

    def __init__(self, entry: Entry, *, param: str | None = None, **values: object) -> None:
        self.entry = entry
        self.code = entry.code and entry.code.format(**values)
        self.message = entry.message.format(param=param, **values)
        self.param = param if param is not None else entry.param
        super().__init__(self.message)

    def error(self, event_id: str | None) -> dict[str, Any]:
        """Give the `error` object; all five keys are always there."""
        return {
            "type": INVALID_REQUEST,
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "event_id": None if self.entry.anonymous else event_id,
        }

    @property
    def close_reason(self) -> str:
        """Give the close frame's reason of an error that refuses the connection."""
        return f"{INVALID_REQUEST}.{self.code}"


def listed(values: tuple[str, ...]) -> str:
    """Write values as the service lists them: quoted, `and` before the last."""
    quoted = [f"'{value}'" for value in values]
    if len(quoted) < 3:
        return " and ".join(quoted)
    return ", ".join(quoted[:-1]) + ", and " + quoted[-1]


# --- refused at admission, after the upgrade; each is followed by a close ---------------------------------------

INVALID_API_KEY: Final = Entry(
    "invalid_api_key",
    "Incorrect API key provided: {key}. You can find your API key at https://platform.openai.com/account/api-keys.",
    close_code=3000,
)
BETA_DISABLED: Final = Entry(
    "beta_api_shape_disabled",
    "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
    close_code=4000,
)
MISSING_MODEL: Final = Entry(
    "missing_model",
    "You must provide a model parameter, for example wss://api.openai.com/v1/realtime?model=gpt-realtime-1.5",
    close_code=4000,
)
INVALID_MODEL: Final = Entry(
    "invalid_model",
    'Model "{model}" is not supported in realtime mode. '
    "See https://platform.openai.com/docs/models for a list of supported models.",
    close_code=4000,
)
SESSION_EXPIRED: Final = Entry(
    "session_expired",
    "Your session hit the maximum duration of {minutes:g} minutes.",
    close_code=1001,
)

# --- the message as such -----------------------------------------------------------------------------------------

INVALID_JSON: Final = Entry("invalid_json", "Invalid event: failed to parse JSON value. {detail}")
BINARY_FRAME: Final = Entry("invalid_event", "Expected a text WebSocket message; binary frames are not supported.")
NOT_AN_OBJECT: Final = Entry("invalid_event", "Invalid event: expected a JSON object.")  # text not recorded
MISSING_TYPE: Final = Entry("invalid_event", "The 'type' field is missing.")
INVALID_CHOICE: Final = Entry("invalid_value", "Invalid value: '{value}'. Supported values are: {allowed}.")
INVALID_TYPE: Final = Entry(
    "invalid_type", "Invalid type for '{param}': expected {expected}, but got {got} instead."
)  # by analogy with the REST API
MISSING_PARAMETER: Final = Entry("missing_required_parameter", "Missing required parameter: '{param}'.")
UNKNOWN_PARAMETER: Final = Entry("unknown_parameter", "Unknown parameter: '{param}'.")
BELOW_MINIMUM: Final = Entry(
    "{kind}_below_min_value",
    "Invalid '{param}': {kind} below minimum value. Expected a value >= {bound}, but got {value} instead.",
)  # by analogy with the REST API
ABOVE_MAXIMUM: Final = Entry(
    "{kind}_above_max_value",
    "Invalid '{param}': {kind} above maximum value. Expected a value <= {bound}, but got {value} instead.",
)  # by analogy with the REST API
BOTH_MODALITIES: Final = Entry(
    "invalid_value", "Invalid modalities: {value}. Supported combinations are: ['text'] and ['audio']."
)
STRING_TOO_LONG: Final = Entry(
    "string_above_max_length",
    "Invalid '{param}': string too long. Expected a string with maximum length {bound}, "
    "but got a string with length {value} instead.",
)
TOO_MANY_PAIRS: Final = Entry(
    "object_above_max_properties",
    "Invalid '{param}': too many properties. Expected an object with at most {bound} properties, "
    "but got an object with {value} properties instead.",
)  # by analogy with the REST API

# --- audio -------------------------------------------------------------------------------------------------------

INVALID_AUDIO: Final = Entry(
    "invalid_value",
    "Invalid 'audio'. Expected base64-encoded audio bytes ({format}) but got an invalid value.",
    param="audio",
)
EMPTY_AUDIO: Final = Entry(
    "invalid_value",
    "Invalid 'audio'. Expected base64-encoded audio bytes ({format}) but got empty bytes.",
    param="audio",
)
AUDIO_TOO_LONG: Final = Entry(
    "invalid_value",
    "Invalid 'audio'. Expected at most {bound} bytes of audio, but got {value}.",
    param="audio",
)  # not recorded
COMMIT_EMPTY: Final = Entry(
    "input_audio_buffer_commit_empty",
    "Error committing input audio buffer: buffer too small. Expected at least {bound}ms of audio, "
    "but buffer only has {value:.2f}ms of audio.",
)

# --- session -----------------------------------------------------------------------------------------------------

VOICE_LOCKED: Final = Entry(
    "cannot_update_voice", "Cannot update a conversation's voice if assistant audio is present."
)
WRONG_SESSION_TYPE: Final = Entry(
    "invalid_value",
    "Invalid value: '{value}'. The type of a session can't be changed.",
    param="session.type",
)  # not recorded
NO_REASONING: Final = Entry(
    "invalid_value", "Reasoning is not supported with this model.", anonymous=True
)  # that it is anonymous was measured; code and text were not recorded
SPEED_IN_TURN: Final = Entry(
    "invalid_value", "The speed can't be changed while a response is in progress.", param="session.audio.output.speed"
)  # not recorded
TRACING_FIXED: Final = Entry(
    "invalid_value", "Tracing can't be changed once it is enabled.", param="session.tracing"
)  # not recorded
CONTEXT_FULL: Final = Entry(
    "context_length_exceeded",
    "The conversation has {have} tokens, which is more than the {bound} that fit, and truncation is disabled.",
)  # not recorded
NOT_IN_TRANSCRIPTION: Final = Entry(
    "invalid_value", "Invalid value: '{value}'. It is not supported in a transcription session.", param="type"
)  # not recorded

# --- items -------------------------------------------------------------------------------------------------------

DELETE_UNKNOWN: Final = Entry(
    "item_delete_invalid_item_id", "Error deleting item: the item with id '{item_id}' does not exist."
)
RETRIEVE_UNKNOWN: Final = Entry(
    "item_retrieve_invalid_item_id", "Error retrieving item: the item with id '{item_id}' does not exist."
)
TRUNCATE_UNKNOWN: Final = Entry(
    "item_truncate_invalid_item_id", "Error truncating item: the item with id '{item_id}' does not exist."
)
TRUNCATE_NOT_AUDIO: Final = Entry(None, "Only model output audio messages can be truncated")
TRUNCATE_TOO_FAR: Final = Entry(
    "invalid_value", "Audio content of {have}ms is already shorter than {want}ms", param="audio_end_ms"
)
PREVIOUS_UNKNOWN: Final = Entry(
    "invalid_value",
    "Error adding item: the previous item with id '{item_id}' does not exist.",
    param="previous_item_id",
)  # code not recorded
DUPLICATE_ITEM: Final = Entry(
    "invalid_value", "Error adding item: an item with id '{item_id}' already exists.", param="item.id"
)  # code not recorded
CALL_UNKNOWN: Final = Entry(
    "invalid_value", "Error adding item: no function call with call_id '{call_id}' exists.", param="item.call_id"
)  # code not recorded
REFERENCE_UNKNOWN: Final = Entry("invalid_value", "The item with id '{item_id}' does not exist.")  # not recorded

# --- responses ---------------------------------------------------------------------------------------------------

ACTIVE_RESPONSE: Final = Entry(
    "conversation_already_has_active_response",
    "Conversation already has an active response in progress: {response_id}. "
    "Wait until the response is finished before creating a new one.",
)
CANCEL_NOT_ACTIVE: Final = Entry("response_cancel_not_active", "Cancellation failed: no active response found")

# --- over HTTP ---------------------------------------------------------------------------------------------------

NO_SUCH_URL: Final = Entry(None, "Invalid URL ({method} {path})")
NO_SUCH_CALL: Final = Entry("call_id_not_found", "No call with id '{call_id}' was found.")  # code not recorded
BODY_NOT_JSON: Final = Entry(None, "We could not parse the JSON body of your request: it must be a JSON object.")
BODY_TOO_LARGE: Final = Entry(None, "The body of your request is larger than {bound} bytes.")

# --- MCP; the codes were not recorded, that the service refuses them is documented ---------------------------------

MCP_DUPLICATE_LABEL: Final = Entry(
    "invalid_value", "Invalid '{param}': an MCP server with the label '{label}' is defined twice."
)
MCP_TWO_ADDRESSES: Final = Entry("invalid_value", "Invalid '{param}': '{first}' and '{second}' can't both be given.")
MCP_TWO_KEYS: Final = Entry(
    "invalid_value", "Invalid '{param}': 'authorization' and the header 'Authorization' can't both be given."
)
APPROVAL_UNKNOWN: Final = Entry(
    "invalid_value",
    "Error adding item: no approval request with id '{request_id}' waits for an answer.",
    param="item.approval_request_id",
)
