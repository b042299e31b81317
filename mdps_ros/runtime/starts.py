"""How the belief of a session begins: at a pose, with a saved belief, anywhere, on another map."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mdps_ros.models.prior import MapPrior, MovedPrior, PosePrior
from mdps_ros.models.prior_parts import inside
from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.events import (
    GlobalStartEvent,
    InitialPoseEvent,
    OdometryEvent,
    StartEvent,
)
from mdps_ros.runtime.frames import between, compose
from mdps_ros.runtime.inputs.odometry_buffer import OdometryBuffer
from mdps_ros.runtime.keeping.belief_file import SavedBelief
from mdps_ros.runtime.keeping.resuming import goes_on
from mdps_ros.runtime.localizer import Localizer
from mdps_ros.runtime.updates import Updates
from mdps_ros.settings import StartSettings

NOWHERE = (
    "no road or free floor of the map lies in the region, so the belief stays; give corners in the "
    "map's frame, in metres"
)
FLOOR = np.diag([0.1**2, 0.1**2, 0.02**2])  # least variance of an initial pose: m^2, m^2, rad^2


class Begun(NamedTuple):
    """What came of the requests that waited.

    Attributes:
        notes: what is told of it.
        update: whether the next frame counts although the vehicle has not moved.
        answer: whether somebody waits for an estimate, so that one is made at once.
    """

    notes: tuple[Note, ...] = ()
    update: bool = False
    answer: bool = False


class Starts:
    """Begins beliefs; a pose and a saved belief wait until there is odometry.

    Args:
        settings: the heading of a start that nobody asked for.
        localizer: the filter.
        updates: learns of every belief.
        odometry: where the vehicle is now.
    """

    def __init__(
        self,
        settings: StartSettings,
        localizer: Localizer,
        updates: Updates,
        odometry: OdometryBuffer,
    ) -> None:
        heading = (settings.heading, settings.heading_sd) if settings.heading_known else None
        self._anywhere = localizer.global_prior(heading)
        self._localizer = localizer
        self._updates = updates
        self._odometry = odometry
        self._pose: InitialPoseEvent | None = None
        self._saved: SavedBelief | None = None

    def forget(self) -> None:
        """Nothing waits any more."""
        self._pose = self._saved = None

    def withdraw(self, request: StartEvent) -> None:
        """Somebody no longer asks for this start: it does not begin where it still waits."""
        if self._pose is request:
            self._pose = None

    def at_pose(self, request: InitialPoseEvent) -> Begun:
        """Restart around a pose."""
        self._pose, self._saved = request, None
        return self.due()

    def with_saved(self, saved: SavedBelief) -> Begun:
        """Go on with a saved belief."""
        self._pose, self._saved = None, saved
        self._localizer.restore(saved.belief, saved.fit)
        return self.due()

    def anywhere(self, request: GlobalStartEvent) -> Begun:
        """Start over the map or a region of it.

        Where time goes back, the next start is over the whole map, with the heading of the request.
        """
        everywhere = self._localizer.global_prior(request.heading)
        prior = everywhere if request.region is None else inside(everywhere, request.region)
        if prior is None:
            return Begun((Note(Code.NO_START, Severity.ERROR, NOWHERE),))
        self._anywhere = everywhere
        self.forget()
        self.begin_anywhere(prior)
        where = "the whole map" if request.region is None else "a region of the map"
        return Begun((Note(Code.STARTED, Severity.INFO, f"restarted over {where}"),), update=True)

    def begin_anywhere(self, prior: MapPrior) -> None:
        """A belief over a map or a part of it, at the newest odometry where there is any."""
        self._localizer.start(prior)
        newest = self._odometry.newest
        if newest is not None:
            self._updates.begin(newest)

    def unasked(self) -> None:
        """A belief over the map, as far as the start is known."""
        self._localizer.start(self._anywhere)

    def change_map(self) -> None:
        """The localizer is on another map: places of the one before mean nothing there."""
        self.forget()
        self._anywhere = self._localizer.global_prior(self._anywhere.heading)

    def expect(self, event: OdometryEvent) -> None:
        """The first odometry: let that of a saved belief come before it where it goes on."""
        saved = self._saved
        if saved is not None and self._odometry.newest is None and goes_on(saved, event):
            self._odometry.add(saved.stamp_ns, saved.T_odom_base)

    def due(self) -> Begun:
        """Begin what waits, as there is odometry."""
        if self._odometry.newest is None:
            return Begun()
        if self._saved is not None:
            return self._resume(self._saved)
        return Begun() if self._pose is None else self._start(self._pose)

    def _start(self, request: InitialPoseEvent) -> Begun:
        """Around the pose, moved on to the newest odometry."""
        newest = self._odometry.newest
        assert newest is not None
        then = newest if request.stamp_ns == 0 else self._odometry.at(request.stamp_ns)
        moved = np.zeros(3) if then is None else between(then.T_odom_base, newest.T_odom_base)
        mean = compose(request.T_map_base, moved)
        covariance = np.where(FLOOR > 0, np.maximum(request.covariance, FLOOR), request.covariance)
        if request.told:
            self._localizer.start(PosePrior(mean, covariance))
            text = "restarted around the initial pose"
        else:
            self._localizer.start(MovedPrior(PosePrior(request.T_map_base, covariance), moved))
            text = "searching around the pose that was guessed"
        oldest_ns = self._odometry.oldest_ns
        if then is None and oldest_ns is not None and request.stamp_ns < oldest_ns:
            text += "; no odometry reaches back to its stamp, so it counts as of now"
        self._pose = None
        self._updates.begin(newest, told=request.told)
        data = {"x_m": mean[0], "y_m": mean[1]}
        note = Note(Code.INITIAL_POSE, Severity.INFO, text, data)
        # a guess waits for the next image: without any it would count as confirmed
        return Begun((note,), update=True, answer=request.told)

    def _resume(self, saved: SavedBelief) -> Begun:
        """With the saved belief at its own odometry, or at the newest there is."""
        newest, then = self._odometry.newest, self._odometry.at(saved.stamp_ns)
        assert newest is not None
        self._saved = None
        self._updates.begin(newest if then is None else then, saved.state, saved.travelled)
        text = "went on with the saved belief"
        text += "; the vehicle is taken to have stood still since" if then is None else ""
        data = {"stamp_s": saved.stamp_ns * 1e-9}
        return Begun((Note(Code.RESTORED, Severity.INFO, text, data),), update=True)
