"""Who works beside a session: the smoother, pictures, records. None of them holds it up."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from mdps_ros.ros.looking_on import make_bystanders
from mdps_ros.ros.publishing import Publishing
from mdps_ros.ros.telling import Telling
from mdps_ros.runtime.events import Event
from mdps_ros.runtime.health import Health
from mdps_ros.runtime.jumps import PoseJump
from mdps_ros.runtime.outputs import Output, SmoothedTrajectory
from mdps_ros.runtime.smoothing.pace import Progress
from mdps_ros.runtime.watching.trail import Trail
from mdps_ros.settings import Settings

if TYPE_CHECKING:
    from mdps_ros.maps import Map
    from mdps_ros.runtime.session import Session
    from mdps_ros.runtime.smoothing.worker import SmoothingWorker


class Beside:
    """Threads that take what a session hears and says.

    Args:
        session: whose smoother is taken.
        city: its map.
        settings: in force.
        publishing: takes what they make.
        telling: takes what is to be told.
        health: learns how the smoother does.
        trail: remembers what it makes.
    """

    def __init__(
        self,
        session: Session,
        city: Map,
        settings: Settings,
        publishing: Publishing,
        telling: Telling,
        health: Health,
        trail: Trail,
    ) -> None:
        self._session = session
        self._publishing = publishing
        self._telling = telling
        self._health = health
        self._trail = trail
        self._smoothing = self._smooth()
        self._look_on(city, settings)

    def start(self) -> None:
        """Begin to work."""
        if self._smoothing is not None:
            self._smoothing.start()
        self._bystanders.start()

    def stop(self) -> None:
        """Finish what is in hand; safe to repeat."""
        self._bystanders.stop()
        if self._smoothing is not None:
            self._smoothing.stop()

    def heard(self, event: Event) -> None:
        """The session is told something; before it answers."""
        self._bystanders.heard(event)

    def said(self, output: Output, jump: PoseJump | None) -> None:
        """The session says something, which may be a jump of the pose."""
        self._bystanders.said(output, jump)

    def standing_back(self) -> AbstractContextManager[None]:
        """The smoother begins nothing while this lasts."""
        return nullcontext() if self._smoothing is None else self._smoothing.standing_back()

    def adopt(self, settings: Settings) -> None:
        """The session goes by other settings."""
        self._bystanders.adopt(settings.estimate)
        if self._smoothing is not None:
            self._smoothing.adopt(settings, self._session.map_error)

    def change_map(self, city: Map, settings: Settings) -> None:
        """The session is on another map; to be called while these threads are stopped."""
        self._look_on(city, settings)
        self.adopt(settings)

    def _look_on(self, city: Map, settings: Settings) -> None:
        tell = self._telling
        self._bystanders = make_bystanders(
            city, settings, self._publishing, tell.note, tell.failure
        )

    def _smooth(self) -> SmoothingWorker | None:
        """Smoothing in a thread of its own, where it is asked for."""
        smoother = self._session.take_smoother()
        if smoother is None:
            return None
        # Here, not above: it brings torch, see the node's on_configure.
        from mdps_ros.runtime.smoothing.worker import SmoothingWorker

        made = SmoothingWorker(smoother, self._smoothed, self._telling.note, self._smoother_failed)
        self._session.watch = made.watch
        return made

    # -- smoother's thread ---------------------------------------------------------------------

    def _smoothed(self, trajectory: SmoothedTrajectory, progress: Progress) -> None:
        self._publishing.smoothed(trajectory, self._trail.smooth(trajectory))
        self._health.smoothed(progress)

    def _smoother_failed(self, error: Exception) -> None:
        text = f"the smoother failed, so nothing is smoothed any more: {error}"
        if self._telling.failure(text, error):
            self._health.smoothing_ended(text)
