"""Runs in the seed's environment: takes jobs from stdin, one JSON line each, and answers each with one line."""

import json
import os
import sys

import anyio
from steps import play
from strands.experimental.bidi import BidiAudioInputEvent, BidiImageInputEvent, BidiTextInputEvent
from strands.experimental.bidi.models import openai_realtime
from strands.types._events import ToolResultEvent


class Seed:
    """The seed's classes."""

    BidiAudioInputEvent = BidiAudioInputEvent
    BidiImageInputEvent = BidiImageInputEvent
    BidiTextInputEvent = BidiTextInputEvent
    ToolResultEvent = ToolResultEvent

    @staticmethod
    def make(url, settings):
        """Make a model that connects to `url`."""
        openai_realtime.OPENAI_REALTIME_URL = url + "/realtime"
        arguments = {key: value for key, value in settings.items() if key != "do"}
        return openai_realtime.BidiOpenAIRealtimeModel(**arguments)


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What libraries print must not stand between the answers.
    for line in sys.stdin:
        answers.write(json.dumps(anyio.run(play, Seed, json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
