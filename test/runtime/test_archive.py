"""Beliefs are kept beside the session, and found again at the next start."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.keeping.archive import NO_BELIEF, NO_FILE, Archive
from mdps_ros.runtime.keeping.belief_file import BeliefFileError, read_belief, write_belief
from test.runtime.test_belief_file import MAP, full_disk, saved


def eventually(check) -> bool:
    end = time.monotonic() + 5.0
    while not check() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(check())


def archive(path: Path | str, told: list[Note], period_s: float = 10.0) -> Archive:
    return Archive(MAP, str(path), period_s, told.append)


def test_the_first_belief_is_written_soon_and_the_last_at_the_end(tmp_path: Path) -> None:
    path, told = tmp_path / "belief", list[Note]()
    kept = archive(path, told)
    assert kept.start() is None
    kept.keep(saved(20), 100.0)
    assert eventually(path.exists)
    kept.keep(saved(30), 105.0)
    time.sleep(0.1)
    assert read_belief(path, MAP).belief.particle_count == 20
    kept.keep(saved(40), 110.0)
    assert eventually(lambda: read_belief(path, MAP).belief.particle_count == 40)
    kept.keep(saved(50), 112.0)
    kept.stop()
    assert read_belief(path, MAP).belief.particle_count == 50
    assert told == []


def test_the_next_start_finds_it_but_a_second_activation_does_not(tmp_path: Path) -> None:
    path, told = tmp_path / "belief", list[Note]()
    write_belief(path, saved(20))
    kept = archive(path, told)
    event = kept.start()
    assert event is not None
    assert event.saved.belief.particle_count == 20
    kept.keep(saved(30), 0.0)
    kept.stop()
    assert kept.start() is None
    kept.stop()


def test_a_belief_that_did_not_change_is_not_written_again(tmp_path: Path) -> None:
    path, value = tmp_path / "belief", saved()
    kept = archive(path, [])
    kept.start()
    kept.keep(value, 0.0)
    assert eventually(path.exists)
    path.unlink()
    kept.keep(value, 99.0)
    kept.stop()
    assert not path.exists()


def test_a_file_of_another_map_is_said_and_left_alone(tmp_path: Path) -> None:
    path, told = tmp_path / "belief", list[Note]()
    write_belief(path, saved()._replace(map_id="b" * 64))
    before = path.read_bytes()
    kept = archive(path, told)
    assert kept.start() is None
    kept.keep(saved(30), 0.0)
    kept.stop()
    (note,) = told
    assert (note.code, note.severity) == (Code.STATE_FILE, Severity.WARN)
    assert "give the map it was saved on, or remove it; starting over the whole map" in note.text
    assert path.read_bytes() == before


def test_a_damaged_file_is_said_and_replaced(tmp_path: Path) -> None:
    path, told = tmp_path / "belief", list[Note]()
    path.write_bytes(b"no belief")
    kept = archive(path, told)
    assert kept.start() is None
    kept.keep(saved(30), 0.0)
    kept.stop()
    assert "starting over the whole map" in told[0].text
    assert read_belief(path, MAP).belief.particle_count == 30


def test_a_full_disk_is_said_and_so_is_its_end(tmp_path: Path) -> None:
    path, told = tmp_path / "belief", list[Note]()
    kept = archive(path, told)
    kept.start()
    with full_disk(0):
        kept.keep(saved(20), 0.0)
        assert eventually(lambda: told)
    assert told[0].severity is Severity.ERROR
    assert not path.exists()
    kept.keep(saved(30), 10.0)
    assert eventually(lambda: len(told) == 2)
    assert "again" in told[1].text
    kept.stop()
    assert read_belief(path, MAP).belief.particle_count == 30


def test_without_a_file_a_request_has_to_name_one(tmp_path: Path) -> None:
    kept = archive("", [])
    assert kept.start() is None
    with pytest.raises(BeliefFileError, match=NO_BELIEF):
        kept.save(str(tmp_path / "belief"))
    kept.keep(saved(20), 0.0)
    with pytest.raises(BeliefFileError, match=NO_FILE):
        kept.save("")
    with pytest.raises(BeliefFileError, match=NO_FILE):
        kept.load("")
    path, size = kept.save(str(tmp_path / "belief"))
    assert path.stat().st_size == size
    assert kept.load(str(path))[1].belief.particle_count == 20
    kept.stop()


def test_another_pause_counts_for_the_one_that_runs(tmp_path: Path) -> None:
    """Other localizers begin the new pause when the old one is over."""
    path = tmp_path / "belief"
    kept = archive(path, [], period_s=1000.0)
    kept.start()
    kept.keep(saved(20), 100.0)
    assert eventually(path.exists)
    kept.keep(saved(30), 105.0)
    kept.pace(5.0)
    kept.keep(saved(40), 105.5)
    assert eventually(lambda: read_belief(path, MAP).belief.particle_count == 40)
    kept.stop()


def test_on_another_map_the_old_belief_is_neither_saved_nor_read(tmp_path: Path) -> None:
    path, told = tmp_path / "belief", list[Note]()
    kept = archive(path, told)
    kept.start()
    kept.keep(saved(20), 100.0)
    assert eventually(path.exists)
    kept.change_map("b" * 64)
    assert kept.map_id == "b" * 64
    with pytest.raises(BeliefFileError, match="there is no belief yet"):
        kept.save("")
    kept.stop()
    assert kept.start() is None
    other = saved(30)._replace(map_id="b" * 64)
    kept.keep(other, 200.0)
    kept.stop()
    assert read_belief(path, "b" * 64).belief.particle_count == 30
    assert told == []
