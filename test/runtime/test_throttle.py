from __future__ import annotations

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.throttle import PERIOD_S, NoteThrottle

IMAGE = Note(Code.IMAGE_DROPPED, Severity.WARN, "late")
GAP = Note(Code.ODOMETRY_GAP, Severity.WARN, "gap")


def test_one_code_does_not_silence_another() -> None:
    throttle = NoteThrottle()
    assert throttle.text(IMAGE, 0.0) == "[image_dropped] late"
    assert throttle.text(IMAGE, 0.1) is None
    assert throttle.text(GAP, 0.2) == "[odometry_gap] gap"


def test_held_notes_are_counted_in_the_next_line() -> None:
    throttle = NoteThrottle()
    said = [throttle.text(IMAGE, 0.1 * i) for i in range(int(10 * PERIOD_S) + 1)]
    assert said[1:-1] == [None] * (len(said) - 2)
    assert said[-1] == f"[image_dropped] late ({len(said) - 2} more before)"
    assert throttle.text(IMAGE, 10.0 * PERIOD_S) == "[image_dropped] late"


def test_what_was_asked_for_is_told_each_time() -> None:
    throttle = NoteThrottle()
    texts = [f"settings changed: road.lateral_sd = {value}" for value in (1.0, 2.0, 3.0)]
    told = [throttle.text(Note(Code.SETTINGS, Severity.INFO, text), 0.1) for text in texts]
    assert told == [f"[settings] {text}" for text in texts]
