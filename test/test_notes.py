from __future__ import annotations

import dataclasses

import pytest

from mdps_ros.notes import Code, Note, Severity


def test_severities_are_ordered_like_those_of_diagnostics() -> None:
    """diagnostic_msgs/DiagnosticStatus: OK 0, WARN 1, ERROR 2."""
    assert [int(level) for level in (Severity.INFO, Severity.WARN, Severity.ERROR)] == [0, 1, 2]
    assert max(Severity.WARN, Severity.INFO) is Severity.WARN


def test_codes_are_stable_words_in_lower_case_and_unique() -> None:
    for code in Code:
        assert code.value == code.name.lower()
    assert len({code.value for code in Code}) == len(Code)


def test_a_note_without_numbers_has_an_empty_mapping_of_its_own() -> None:
    one, other = (Note(Code.LOST, Severity.WARN, "text") for _ in range(2))
    assert one.data == {}
    assert one.data is not other.data
    assert one == other


def test_a_note_cannot_be_changed() -> None:
    note = Note(Code.LOST, Severity.WARN, "text", {"gap_s": 1.0})
    with pytest.raises(dataclasses.FrozenInstanceError):
        note.text = "other"  # type: ignore[misc]
