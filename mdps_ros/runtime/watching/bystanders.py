"""Who looks on while a session works: overlays, pictures of the belief, records of events."""

from __future__ import annotations

from mdps_ros.runtime.events import Event, ImageEvent
from mdps_ros.runtime.jumps import PoseJump
from mdps_ros.runtime.outputs import Output, PoseEstimate
from mdps_ros.runtime.watching.belief_painter import BeliefPainter
from mdps_ros.runtime.watching.incident_recorder import IncidentRecorder
from mdps_ros.runtime.watching.overlay_painter import OverlayPainter
from mdps_ros.runtime.watching.sights import Sights
from mdps_ros.settings import EstimateSettings


class Bystanders:
    """Hands on what goes into a session and what comes out of it; none of them holds it up.

    Args:
        settings: reach of a hypothesis.
        overlays: draws into images; None where nobody does.
        beliefs: draws on the map; None where nobody does.
        recorder: None where nothing is recorded.
    """

    def __init__(
        self,
        settings: EstimateSettings,
        overlays: OverlayPainter | None = None,
        beliefs: BeliefPainter | None = None,
        recorder: IncidentRecorder | None = None,
    ) -> None:
        self._sights = Sights(settings)
        self._overlays = overlays
        self._beliefs = beliefs
        self._recorder = recorder
        self._all = [each for each in (overlays, beliefs, recorder) if each is not None]

    def start(self) -> None:
        """Begin to look."""
        for each in self._all:
            each.start()

    def stop(self) -> None:
        """Look no more; safe to repeat."""
        for each in self._all:
            each.stop()

    def adopt(self, settings: EstimateSettings) -> None:
        """Go by other settings from now on."""
        self._sights.adopt(settings)

    def heard(self, event: Event) -> None:
        """The session is told something; before it answers."""
        if self._overlays is not None and isinstance(event, ImageEvent):
            self._overlays.saw(event)
        if self._recorder is not None:
            self._recorder.heard(event)

    def said(self, output: Output, jump: PoseJump | None = None) -> None:
        """The session says something, which may be a jump of the pose."""
        if self._overlays is not None and isinstance(output, PoseEstimate):
            self._overlays.estimated(output)
        if self._recorder is not None:
            self._recorder.said(output)
            if jump is not None:
                self._recorder.jumped(jump)
        sight = self._sights.see(output)
        if sight is None:
            return
        if self._beliefs is not None:
            self._beliefs.saw(sight)
        if self._recorder is not None:
            self._recorder.saw(sight)
