"""What the engine does not know of the service is counted by its name."""

from transcripts import server

from engine.protocol.oddities import Oddities


def test_events_and_fields_are_counted_by_where_they_stand():
    oddities = Oddities()
    oddities.note(server("response.dreamt", deep={"x": 1}))
    response = {"id": "resp_1", "colour": "red", "usage": {"total_tokens": "many"}}
    oddities.note(server("response.done", response=response))
    oddities.note(server("input_audio_buffer.cleared", why="wished"))

    assert oddities.events.snapshot() == {"response.dreamt": 1}
    assert oddities.fields.snapshot() == {"response.done:response.colour": 1, "input_audio_buffer.cleared:why": 1}
    assert list(oddities.misfits.snapshot()) == ["response.done:response.usage.total_tokens"]
