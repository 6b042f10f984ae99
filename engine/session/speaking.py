"""What sessions share whose service speaks: a speaker, and its paced outputs."""

from engine import limits
from engine.actors.audio_out import AudioOut
from engine.audio.pcm import G711_RATE_HZ
from engine.audio.shape import AudioShape, Encoding
from engine.session.base import BaseSession
from engine.session.speaker import Speaker


class SpeakingSession(BaseSession):
    """A session that is heard. Whoever makes one gives it `_speaker`, and calls `_begin_to_speak` at last."""

    _speaker: Speaker
    _stopping = False

    def _begin_to_speak(self) -> None:
        self._speaker.put = self._supervisor.deliver
        self._supervisor.when_over(self._over)

    def audio_out(
        self,
        frame_ms: int = 20,
        *,
        rate: int | None = None,
        channels: int = 1,
        format: Encoding = "pcm",
        prebuffer_ms: int = limits.AUDIO_OUT_PREBUFFER_MS,
    ) -> AudioOut:
        """Hear the model in real time: frames of one length, each when it is due, silence where there is no speech.

        An interruption empties it at once. It is beside `receive()`, which goes on to give the same audio as it comes.
        While several are open, one of them tells `playback` what was heard, to the sample: the first of them, and when
        that is closed, the next that is opened.

        Args:
            frame_ms: Length of a frame.
            rate: Samples a second, 8000 to 48000; the format's own when None.
            channels: 1, or 2 with their samples in turn.
            format: `pcm` (PCM16), `pcmu` or `pcma` (G.711).
            prebuffer_ms: Speech that must be there before an answer begins to sound.

        Returns:
            An asynchronous iterator of frames, as bytes. Close it when you leave it before the session's end.

        Raises:
            ConfigError: A setting is not possible, or needs the extra `audio`.
        """
        own_hz = limits.WIRE_RATE_HZ if format == "pcm" else G711_RATE_HZ
        shape = AudioShape(format, own_hz if rate is None else rate, channels)
        return self._speaker.open(shape, frame_ms, prebuffer_ms)

    async def stop(self) -> None:
        """End the session: flush, close, leave nothing behind. Takes at most `close_deadline_s`; may be repeated.

        Audio that was not received yet is dropped and counted; other events can still be read.
        """
        self._stopping = True
        self._speaker.end(at_once=True)
        await super().stop()

    def _over(self) -> None:
        # Who is told that the session broke hears what came before it; who has stopped it wants no more.
        self._speaker.end(at_once=self._stopping)
