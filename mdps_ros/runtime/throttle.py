"""Keeps one kind of note from drowning the others, without losing count of any."""

from __future__ import annotations

from mdps_ros.notes import Code, Note

PERIOD_S = 5.0
ASKED_FOR = (Code.SETTINGS, Code.MAP_CHANGED)
"""Codes of what somebody did by hand: each is told, as no two say the same."""


class NoteThrottle:
    """Passes the first note of a code at once, then at most one per period with a count."""

    def __init__(self) -> None:
        self._quiet_until: dict[Code, float] = {}
        self._held: dict[Code, int] = {}

    def text(self, note: Note, now_s: float) -> str | None:
        """The line to log for a note, or None while its code is to be quiet.

        Args:
            note: what happened.
            now_s: any clock that does not go back, seconds.
        """
        line = f"[{note.code.value}] {note.text}"
        if note.code in ASKED_FOR:
            return line
        if now_s < self._quiet_until.get(note.code, -float("inf")):
            self._held[note.code] = self._held.get(note.code, 0) + 1
            return None
        self._quiet_until[note.code] = now_s + PERIOD_S
        more = self._held.pop(note.code, 0)
        return line + (f" ({more} more before)" if more else "")
