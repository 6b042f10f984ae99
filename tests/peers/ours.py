"""Our side of the comparison: the facade as the steps want it."""

import engine


class Ours:
    """Our classes, for `drivers.steps.play`."""

    BidiAudioInputEvent = engine.BidiAudioInputEvent
    BidiImageInputEvent = engine.BidiImageInputEvent
    BidiTextInputEvent = engine.BidiTextInputEvent
    ToolResultEvent = engine.ToolResultEvent

    @staticmethod
    def make(url, settings):
        """Make a model that connects to `url`."""
        arguments = {key: value for key, value in settings.items() if key != "do"}
        arguments["client_config"] = arguments["client_config"] | {"base_url": url}
        return engine.BidiOpenAIRealtimeModel(**arguments)
