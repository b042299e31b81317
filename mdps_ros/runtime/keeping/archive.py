"""Where the belief of a node is kept: read at its start, written now and then and at its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.events import RestoreEvent
from mdps_ros.runtime.keeping.belief_file import (
    BeliefFileError,
    OtherMapError,
    SavedBelief,
    read_belief,
    write_belief,
)
from mdps_ros.runtime.keeping.keeper import Keeper

NO_FILE = "no file is named; give a path, or set the parameter node.state_file"
NO_BELIEF = "there is no belief yet; drive first, until the status says more than UNINITIALIZED"


class Archive:
    """The file of a map's belief, and other files on request.

    Args:
        map_id: content hash of the only map whose beliefs are read.
        file: the usual file, with `~` for the home folder; empty for none.
        period_s: pause between two savings to it.
        tell: called with notes, in whatever thread.

    Attributes:
        map_id: of the map.
    """

    def __init__(
        self, map_id: str, file: str, period_s: float, tell: Callable[[Note], None]
    ) -> None:
        self.map_id = map_id
        self._file = Path(file).expanduser() if file else None
        self._tell = tell
        self._keeper = Keeper(self._file, period_s, tell) if self._file else None
        self._newest: SavedBelief | None = None
        self._readable = True  # the file is of this map, as far as is known

    def start(self) -> RestoreEvent | None:
        """Begin to keep beliefs.

        Returns:
            What the file holds, the first time, unless there is none or it is of no use.
        """
        found = None
        wanted = self._newest is None and self._readable
        if wanted and self._file is not None and self._file.exists():
            try:
                found = RestoreEvent(saved=read_belief(self._file, self.map_id))
            except BeliefFileError as error:
                text = f"{error}; starting over the whole map"
                if isinstance(error, OtherMapError):  # somebody may want it back
                    self._keeper, text = None, f"{text}, and saving nothing"
                self._tell(Note(Code.STATE_FILE, Severity.WARN, text))
        if self._keeper is not None:
            self._keeper.start()
        return found

    def change_map(self, map_id: str) -> None:
        """Keep beliefs of another map from now on, in the same file."""
        self.map_id = map_id
        self._newest, self._readable = None, False

    def pace(self, period_s: float) -> None:
        """Save at another pace, beginning with the pause that runs."""
        if self._keeper is not None:
            self._keeper.period_s = period_s

    def keep(self, belief: SavedBelief | None, now_s: float) -> None:
        """Take the newest belief, by a clock that does not go back, seconds."""
        if belief is not None:
            self._newest = belief
            if self._keeper is not None:
                self._keeper.offer(belief, now_s)

    def stop(self) -> None:
        """Write the last belief and keep no more."""
        if self._keeper is not None:
            self._keeper.stop(self._newest)

    def save(self, path: str) -> tuple[Path, int]:
        """Write the newest belief now.

        Args:
            path: file; empty for the usual one.

        Returns:
            The file and its size in bytes.

        Raises:
            BeliefFileError: see `write_belief`; also without a belief or a file.
        """
        if self._newest is None:
            raise BeliefFileError(NO_BELIEF)
        chosen = self._chosen(path)
        return chosen, write_belief(chosen, self._newest)

    def load(self, path: str) -> tuple[Path, SavedBelief]:
        """Read a belief of this map.

        Args:
            path: file; empty for the usual one.

        Raises:
            BeliefFileError: see `read_belief`; also without a file.
        """
        chosen = self._chosen(path)
        return chosen, read_belief(chosen, self.map_id)

    def _chosen(self, path: str) -> Path:
        if path:
            return Path(path).expanduser()
        if self._file is None:
            raise BeliefFileError(NO_FILE)
        return self._file
