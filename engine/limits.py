"""Every bound of the engine, with its unit in the name and its source beside it."""

from typing import Final

# --- the service's own bounds ---------------------------------------------------------------------------------

SESSION_MAX_S: Final = 3600.0
"""The service ends a session after 60 minutes, without a warning (OpenAI, realtime conversations guide)."""

OPENAI_MAX_TIMEOUT_S: Final = 3000
"""Longest lifetime that the facade accepts: 50 minutes, which leaves a margin before `SESSION_MAX_S`."""

APPEND_MAX_BYTES: Final = 15 * 2**20
"""Audio in one `input_audio_buffer.append` (API reference: 15 MiB)."""

COMMIT_MIN_MS: Final = 100
"""Shortest input buffer that can be committed by hand (the service's error text)."""

ID_MAX_CHARS: Final = 32
"""Longest `item.id` and `item.call_id` (the service's error text)."""

EVENT_ID_MAX_CHARS: Final = 512
"""Longest `event_id` of a client event (API reference)."""

IDLE_TIMEOUT_MIN_MS: Final = 5_000
IDLE_TIMEOUT_MAX_MS: Final = 30_000
"""Range of `turn_detection.idle_timeout_ms` (API reference)."""

MAX_OUTPUT_TOKENS: Final = 4096
"""Largest number that `max_output_tokens` takes beside `inf` (API reference)."""

METADATA_MAX_PAIRS: Final = 16
METADATA_KEY_MAX_CHARS: Final = 64
METADATA_VALUE_MAX_CHARS: Final = 512
"""Bounds of a response's metadata (API reference)."""

SPEED_MIN: Final = 0.25
SPEED_MAX: Final = 1.5
"""Range of the voice's speed (API reference)."""

WIRE_RATE_HZ: Final = 24_000
"""The only rate of `audio/pcm` that the service takes (API reference; lower ones are refused)."""

# --- ours -------------------------------------------------------------------------------------------------------

MESSAGE_MAX_BYTES: Final = 16 * 2**20
"""Largest server message that is decoded; a larger one is counted, told as an error and dropped. The service
keeps under 1 MiB but for retrieved items with audio."""

MESSAGE_HARD_MAX_BYTES: Final = 64 * 2**20
"""Largest server message that the transport collects; past it the connection is closed with code 1009."""

INBOX_MAX_BYTES: Final = 16 * 2**20
"""What may wait for `receive()`. One answer of 4,096 tokens is 205 s of speech, 13 MiB as base64 text."""

INBOX_EVENT_BYTES: Final = 256
"""What an event counts for in the inbox beside its audio or text."""

RAW_LOG_MAX_BYTES: Final = 16 * 2**20
"""What may wait for one reader of `session.raw`; the oldest is dropped and counted past it."""

CONTROL_LANE_MESSAGES: Final = 1024
"""Control messages that may wait for the socket; past it `send()` waits."""

AUDIO_LANE_S: Final = 30.0
"""Microphone audio that may wait for the socket; past it the session's overflow policy decides."""

INPUT_FRAME_MS: Final = 40
INPUT_FRAME_MIN_MS: Final = 20
INPUT_FRAME_MAX_MS: Final = 200
"""Microphone audio in one message. At 100 sessions, 20 ms frames cost half a core, 40 ms 30 %, 100 ms 19 %."""

RECEIVE_BUFFER_BYTES: Final = 64 * 2**10
"""One read of the socket. trio-websocket's own 4 KiB doubles the cost of a 6.5 KB message."""

CONNECT_DEADLINE_S: Final = 15.0
"""From the first packet to `session.created`. The service took 0.8 to 2.1 s when measured."""

RESPONSE_REQUEST_DEADLINE_S: Final = 15.0
"""From `response.create` to `response.created` or a refusal; then the request counts as lost and is told."""

TOOL_RESULT_DEADLINE_S: Final = 60.0
"""How long calls without a result may hold a request that waits for them, as one for typed text; then it is told, and
the request goes out."""

CLOSE_DEADLINE_S: Final = 2.0
"""`stop()` waits this long for the server's close frame, then drops the connection."""

CLOSE_DRAIN_MAX_BYTES: Final = 256 * 2**10
"""What `stop()` reads past while it waits for the close frame. A server that still pours out audio is not waited
for."""

HANDSHAKE_BODY_MAX_BYTES: Final = 4096
"""What an error keeps of a refused upgrade's body."""

HISTORY_MAX_ITEMS: Final = 10_000
"""Items that the mirror of the conversation keeps; the oldest are forgotten past it, and counted."""

COUNTED_NAMES: Final = 256
"""Distinct names from the server (event types, fields) that statistics tell apart."""

COUNTED_NAME_CHARS: Final = 128
"""What statistics keep of such a name."""

HISTORY_MAX_BYTES: Final = 16 * 2**20
"""Text of those items; the oldest are forgotten past it. The model itself holds 128 Ki tokens at most, which is about
half a MiB."""

PLAYBACK_MAX_ITEMS: Final = 256
"""Items of speech whose playback is followed; past it the oldest that was heard out is forgotten, and counted."""

REQUEST_DEADLINE_S: Final = 10.0
"""From a request, as for an item, to its answer. LiveKit's clients wait 5 s for an item and 10 s for a response."""

RESPONSE_INBOX_MAX_BYTES: Final = 16 * 2**20
"""What may wait for the reader of one response out of band: a whole answer, as in `INBOX_MAX_BYTES`."""

AUDIO_OUT_MAX_BYTES: Final = 32 * 2**20
"""Speech that may wait in one paced output: 11 minutes of PCM16 at 24 kHz, where one answer is 205 s at most. Past it
nobody is pulling: the oldest is dropped and counted."""

AUDIO_OUT_PREBUFFER_MS: Final = 60
"""Speech of an item that a paced output collects before the item begins to sound: three frames of a telephone."""

AUDIO_OUT_FRAME_MIN_MS: Final = 10
AUDIO_OUT_FRAME_MAX_MS: Final = 200
"""Length of a frame of paced output: RTP packets have 10 to 60 ms, players' blocks up to some 200."""

AUDIO_OUT_LAG_MAX_MS: Final = 200
"""How far a consumer of paced output may be behind and still catch up; past it the schedule moves, and is counted."""

AUDIO_OUT_STALL_MS: Final = 1_000
"""How long an item that has run dry may keep the next one waiting in a paced output."""

RENEW_MARGIN_S: Final = 60.0
"""How long before `SESSION_MAX_S` a session that is renewed moves on at the latest, whoever speaks."""

REPLAY_MAX_TOKENS: Final = 16_000
"""What a new connection is told of the talk, in tokens, estimated: half the context of `gpt-realtime` (32 Ki tokens),
so that as much room is left."""

REPLAY_MAX_ITEMS: Final = 500
"""And in items: each is a message of its own on the wire."""

KEPT_SPEECH_S: Final = 30.0
"""The user's speech without an answer that is kept for a new connection: as much as waits in the audio lane."""

RECONNECT_ATTEMPTS: Final = 10
RECONNECT_TOTAL_S: Final = 60.0
RECONNECT_FIRST_DELAY_S: Final = 0.5
RECONNECT_MAX_DELAY_S: Final = 10.0
RECONNECT_STABLE_S: Final = 10.0
"""How a lost connection is made anew: who talks waits a minute at most. LiveKit tries 3 times, 2 s apart."""

SESSION_CREATED_DEADLINE_S: Final = 10.0
"""From the open connection to `session.created`. The service took under 1 s when measured."""

PING_INTERVAL_S: Final = 5.0
PING_DEADLINE_S: Final = 10.0
"""Liveness: a connection that is dead without a word is found within their sum. The service pings every 20.3 s; a
person who talks to nobody should know sooner. A ping costs 0.2 ms of CPU, 0.005 % of a core for a session."""

RESPONSE_STALL_DEADLINE_S: Final = 60.0
"""The longest that an active response may be silent. A model that reasons takes a while before it says anything."""

READER_DEADLINE_S: Final = 30.0
"""How long events wait that nobody receives before a warning is logged."""
