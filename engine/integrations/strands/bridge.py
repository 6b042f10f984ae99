"""What the model is in every version of Strands: the facade, whose events become Strands' on their way to the agent."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from engine.config import ClientSettings
from engine.errors import NotStarted
from engine.events import SessionInput
from engine.facade import BidiOpenAIRealtimeModel as Facade
from engine.integrations.strands.messages import Message, replayable
from engine.integrations.strands.sending import Sending
from engine.integrations.strands.talk import Events, Talk, Words
from engine.session import Session, SessionStatistics
from engine.transport.base import Connector


class Bridge:
    """The facade as an agent's model; a version's own class adds its base and its words.

    Args:
        model_id: As the facade's.
        provider_config: As the facade's.
        client_config: As the facade's.
        connector: As the facade's.

    Raises:
        ConfigError: A setting can't be used; it is a `ValueError`.
    """

    def __init__(
        self,
        model_id: str,
        provider_config: Mapping[str, Any] | None,
        client_config: Mapping[str, Any] | ClientSettings | None,
        connector: Connector | None,
    ) -> None:
        self._facade = Facade(model_id, provider_config, client_config, connector=connector)
        self._talk: Talk | None = None
        self._sending: Sending | None = None

    _images_ask = True
    """An image by itself asks for an answer."""

    def _words(self) -> Words:
        raise AssertionError(f"{type(self).__name__} has no words")

    def _inputs(self, content: Any) -> list[SessionInput]:
        raise AssertionError(f"{type(self).__name__} does not know how to read {type(content).__name__}")

    # --- what the facade has ----------------------------------------------------------------------------------

    @property
    def model_id(self) -> str:
        """Model identifier."""
        return self._facade.model_id

    @property
    def config(self) -> dict[str, Any]:
        """`{"audio": {...}, "inference": {...}}` with the defaults filled in; read at each `start`."""
        return self._facade.config

    @property
    def api_key(self) -> str:
        """The key in use; empty where `client_config` has a function that gives it."""
        return self._facade.api_key

    @property
    def organization(self) -> str | None:
        """As given or found in the environment."""
        return self._facade.organization

    @property
    def project(self) -> str | None:
        """As given or found in the environment."""
        return self._facade.project

    @property
    def timeout_s(self) -> float:
        """Lifetime of a session, in seconds."""
        return self._facade.timeout_s

    @timeout_s.setter
    def timeout_s(self, value: float) -> None:
        self._facade.timeout_s = value

    @property
    def session(self) -> Session:
        """The session underneath, with its items, responses, raw events and history.

        Raises:
            NotStarted: There is none.
        """
        return self._facade.session

    def statistics(self) -> SessionStatistics:
        """Give a snapshot of the session.

        Raises:
            NotStarted: There is none.
        """
        return self._facade.statistics()

    @property
    def _connection_id(self) -> str | None:
        """Agents look here for what names the connection that they end."""
        return None if self._talk is None else self._talk.connection_id

    # --- the four verbs ---------------------------------------------------------------------------------------

    async def start(
        self,
        system_prompt: str | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
        messages: Sequence[Message] | None = None,
        *,
        history: Sequence[Message] | None = None,
        open_calls: Sequence[Mapping[str, Any]] = (),
        **kwargs: Any,  # noqa: ARG002 - agents may know more than we do
    ) -> None:
        """Connect, configure the session and replay history.

        Args:
            system_prompt: Instructions for the model.
            tools: Strands' tool specifications.
            messages: What the agent remembers. What the service takes no text of, as images, is left out.
            history: What the session before remembers, where `messages` is empty; of a timeout's `restart_config`.
            open_calls: Calls whose tools run on over a restart; of a timeout's `restart_config` too.
            **kwargs: Other arguments are accepted and ignored.

        Raises:
            AlreadyStarted: A session is open (a `RuntimeError`).
            ConfigError: A setting, a tool or a message can't be used (a `ValueError`).
            ConnectionLost: No connection could be made. The model can be started again.
            DeadlinePassed: The service did not open the session in time.
            ServerReported: The service refused, as with a bad key.
        """
        calls = list(open_calls)
        await self._facade.start(system_prompt, tools, replayable(messages or history, calls))
        talk = self._talk = Talk(self._words(), calls)
        self._sending = Sending(self._facade.session, talk, images_ask=self._images_ask)

    def receive(self) -> AsyncIterator[Any]:
        """Iterate over events in Strands' classes, beginning with `BidiConnectionStartEvent`.

        Each has the engine's own event as `engine_event`, with its ids.

        Raises:
            NotStarted: `start` was not called (a `RuntimeError`).
            BidiModelTimeoutError: The session's lifetime is over: Strands' own error, which makes an agent restart.
            ConnectionLost: The connection broke, or the service ended it.
            ServerReported: The service ended the session with an error.
        """
        source = self._facade.receive()
        return Events(self._talk or Talk(self._words()), source)

    async def send(self, content: Any) -> None:
        """Send what an agent sends, or an input event of the engine's.

        Raises:
            NotStarted: `start` was not called (a `RuntimeError`).
            UnsupportedContent: It can't be sent (a `ValueError`). Nothing of it was; of a tool's result, the model is
                told so in its place, and the talk goes on.
            SessionEnded: The session is over (a `RuntimeError`).
        """
        if self._sending is None:
            raise NotStarted("model not started | call start before sending or receiving")
        await self._sending.send(self._inputs(content))

    async def stop(self) -> None:
        """End the session and leave nothing behind. May be repeated."""
        sending, self._sending, self._talk = self._sending, None, None
        try:
            if sending is not None:
                await sending.end()
        finally:
            await self._facade.stop()
