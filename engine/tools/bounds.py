"""The bounds of tools: how many run, how long, and how much they may say."""

from typing import Final

TOOL_DEADLINE_S: Final = 30.0
"""From a call's arrival to its answer: waiting for a free place, approval and the tool itself. Below
`limits.TOOL_RESULT_DEADLINE_S`, after which the engine stops waiting for the result by itself."""

TOOL_RESULT_MAX_BYTES: Final = 64 * 2**10
"""A result's JSON text in UTF-8. The model reads all of it, and holds 128 Ki tokens at most: half a MiB."""

TOOLS_AT_ONCE: Final = 16
"""Calls of one session that run at the same time; more of them wait for a place."""

TOOL_CALLS_WAITING: Final = 64
"""Calls that may wait for a place; past it a call is refused, and the model told so."""

TOOL_THREADS: Final = 32
"""Worker threads of one session's plain functions. A function that hangs past its deadline keeps its thread, so this
leaves room for `TOOLS_AT_ONCE` others beside as many that hang."""

TOOL_HOLD_S: Final = 15.0
"""How long the results of a response wait for its end once all are there; then they go out. The longest answers take
the service about 10 s."""

DEFERRED_DEADLINE_S: Final = 600.0
"""From the start of a deferred tool's work to its result."""

DEFERRED_AT_ONCE: Final = 16
"""Deferred work of one session that may be under way; past it a call is refused, and the model told so."""

GOODBYE_DEADLINE_S: Final = 30.0
"""How long a tool that ends the session waits for the model's last words to be said and heard."""

SHOWN_CHARS: Final = 500
"""What a message to the model holds of a text that is not ours: an exception's, a validator's, a reason."""

SHOWN_PROBLEMS: Final = 8
"""Faults in the arguments of one call that the model is told of at once."""
