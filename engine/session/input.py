"""`session.input`: turns by hand, as with a push-to-talk key."""

from engine.errors import LocalMisuse
from engine.outgoing import Outgoing
from engine.protocol.conversation import Conversation
from engine.session.supervisor import Supervisor
from engine.wire.client import InputAudioBufferClear, InputAudioBufferCommit


class SpokenInput:
    """The user's side of the audio, beside the audio itself, which `session.send_audio` takes.

    Args:
        conversation: The session's.
        out: Where the audio goes.
        supervisor: Runs the session.
    """

    __slots__ = ("_conversation", "_out", "_supervisor")

    def __init__(self, conversation: Conversation, out: Outgoing, supervisor: Supervisor) -> None:
        self._conversation = conversation
        self._out = out
        self._supervisor = supervisor

    async def commit(self, *, respond: bool = True) -> None:
        """End the turn: what was sent since the last one becomes an item of the user's, and is answered.

        For sessions without turn detection, where nothing else ends a turn. It goes out behind all audio that was sent.

        Args:
            respond: Ask for an answer, once the way is free.

        Raises:
            LocalMisuse: Turns are detected by the service, or there is less audio than the service takes.
            SessionEnded: The session is over.
        """
        self._supervisor.check_live()
        if self._conversation.effective.detects_turns:
            raise LocalMisuse("the service ends turns by itself | commit needs turn_detection=None")
        self._out.check_committable()
        await self._supervisor.submit(
            lambda now: self._conversation.commit(now, answered=respond), InputAudioBufferCommit()
        )

    async def clear(self) -> None:
        """Take back what was sent since the last turn, as when the key was pressed by mistake.

        Raises:
            SessionEnded: The session is over.
        """
        await self._supervisor.submit(self._conversation.clear, InputAudioBufferClear())
