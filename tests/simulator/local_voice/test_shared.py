"""Models shared by sessions."""

import threading

import pytest

from engine.simulator.local_voice.shared import Shared


def test_a_model_is_made_once_and_late():
    made = []
    shared = Shared(lambda: made.append(1) or object())
    assert made == []
    with shared.use() as first:
        pass
    with shared.use() as second:
        pass
    assert first is second
    assert made == [1]


def test_only_one_thread_has_the_model_at_a_time():
    shared = Shared(list)
    inside = []

    def work():
        for _ in range(200):
            with shared.use() as model:
                model.append(1)
                inside.append(len(model))
                model.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(inside) == {1}
    assert len(inside) == 800


def test_an_error_during_use_gives_the_model_back():
    shared = Shared(list)
    with pytest.raises(ZeroDivisionError), shared.use():
        1 / 0  # noqa: B018
    with shared.use() as model:
        assert model == []


def test_a_model_that_could_not_be_made_is_tried_again():
    attempts = iter([ValueError("no"), None])

    def make():
        failure = next(attempts)
        if failure:
            raise failure
        return "model"

    shared = Shared(make)
    with pytest.raises(ValueError, match="no"), shared.use():
        pass
    with shared.use() as model:
        assert model == "model"
