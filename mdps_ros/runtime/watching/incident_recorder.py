"""Records incidents beside the filter: a slow or full disk never holds an update up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mdps_ros.maps import Map
from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.events import Event
from mdps_ros.runtime.jumps import PoseJump
from mdps_ros.runtime.outputs import Output
from mdps_ros.runtime.watching.aside import Aside
from mdps_ros.runtime.watching.incident_files import IncidentFileError, IncidentFolder
from mdps_ros.runtime.watching.incidents import Incident, IncidentWatch
from mdps_ros.runtime.watching.sights import Sight
from mdps_ros.settings import NodeSettings

WAITING_MAX = 4
"""Incidents that may wait for the disk."""


class IncidentRecorder:
    """Watches a run and writes its incidents in a thread of its own.

    Args:
        map: of the run.
        settings: where and how much; `event_dir` is not empty.
        tell: takes notes, in whatever thread.
        failed: takes an exception; nothing is recorded any more then.
    """

    def __init__(
        self,
        map: Map,
        settings: NodeSettings,
        tell: Callable[[Note], None],
        failed: Callable[[Exception], object],
    ) -> None:
        folder = Path(settings.event_dir).expanduser()
        self._folder = IncidentFolder(folder, settings.event_count, map)
        self._watch = IncidentWatch(settings.event_seconds)
        self._tell = tell
        self._aside = Aside("event record", failed, waiting_max=WAITING_MAX)

    def start(self) -> None:
        """Begin to record."""
        self._aside.start()

    def stop(self) -> None:
        """Write what has happened and stop; safe to repeat."""
        self._record(self._watch.end())
        self._aside.stop(finish=True)

    def heard(self, event: Event) -> None:
        """The session is told something."""
        self._watch.heard(event)

    def said(self, output: Output) -> None:
        """The session says something."""
        self._watch.said(output)

    def jumped(self, jump: PoseJump) -> None:
        """The claimed pose jumped."""
        self._watch.jumped(jump)

    def saw(self, sight: Sight) -> None:
        """There is another belief."""
        self._record(self._watch.saw(sight))

    def _record(self, incident: Incident | None) -> None:
        if incident is not None and not self._aside.offer(lambda: self._write(incident)):
            text = "events come faster than they can be recorded; one was left out"
            self._tell(Note(Code.EVENT_RECORD, Severity.WARN, text))

    def _write(self, incident: Incident) -> None:
        try:
            folder = self._folder.write(incident)
        except IncidentFileError as error:
            self._tell(Note(Code.EVENT_RECORD, Severity.ERROR, str(error)))
            return
        text = f"{incident.text}; recorded in {folder}"
        self._tell(Note(Code.EVENT_RECORD, Severity.INFO, text))
