"""A worker's log: whole up to its bound, over all starts; and a disk that does not take it."""

import logging
import stat

from engine.farm.processes import log_file
from engine.farm.processes.log_file import LogFile


def test_it_has_all_starts_of_a_worker_and_is_for_its_owner_alone(tmp_path):
    log = LogFile(tmp_path, "worker-1")
    log.begin(11)
    assert not (tmp_path / "workers").exists()
    log.write(b"one\n")
    log.write(b"two\n")
    log.begin(12)
    assert not log.has_words
    log.write(b"three\n")
    assert log.has_words
    lines = (tmp_path / log.told_as).read_text().splitlines()
    assert [line for line in lines if not line.startswith("---")] == ["one", "two", "three"]
    assert [line.partition(",")[0] for line in lines if line.startswith("---")] == ["--- process 11", "--- process 12"]
    assert stat.S_IMODE((tmp_path / log.told_as).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "workers").stat().st_mode) == 0o700


def test_of_a_flood_the_last_half_of_the_bound_at_least_is_kept_and_it_says_that_words_are_dropped(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(log_file, "_HALF_BYTES", 1000)
    log = LogFile(tmp_path, "worker-1")
    for number in range(500):
        log.write(b"%09d\n" % number)
    both = [(tmp_path / "workers" / name).read_text() for name in ("worker-1.1.log", "worker-1.log")]
    assert sum(map(len, both)) <= 2000
    numbers = [int(line) for line in "".join(both).splitlines() if line.isdecimal()]
    assert numbers == list(range(numbers[0], 500))
    assert len(numbers) * 10 >= 900
    assert all("is dropped: a log has" in text.splitlines()[0] for text in both)
    assert len(list((tmp_path / "workers").iterdir())) == 2


def test_a_disk_that_does_not_take_it_is_told_once(tmp_path, caplog):
    (tmp_path / "workers").write_text("in the way")
    log = LogFile(tmp_path, "worker-1")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            log.write(b"words\n")
    assert not log.has_words
    assert len([record for record in caplog.records if "can't be written" in record.message]) == 1


def test_one_chunk_larger_than_all_room_is_kept_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(log_file, "_HALF_BYTES", 1000)
    log = LogFile(tmp_path, "worker-1")
    log.write(b"x" * 5000)
    assert (tmp_path / log.told_as).stat().st_size == 5000
