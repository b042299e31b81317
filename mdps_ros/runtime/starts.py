"""How the belief of a session begins: at a pose, with a saved belief, anywhere, on another map."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from mdps_ros.core.types import Belief
from mdps_ros.models.prior import MapPrior, MovedPrior, PosePrior
from mdps_ros.models.prior_parts import inside
from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.events import (
    BACK_M,
    GlobalStartEvent,
    InitialPoseEvent,
    OdometryEvent,
    StartEvent,
)
from mdps_ros.runtime.frames import between, compose
from mdps_ros.runtime.inputs.odometry_buffer import OdometryBuffer, OdometrySample
from mdps_ros.runtime.keeping.belief_file import SavedBelief
from mdps_ros.runtime.keeping.resuming import goes_on
from mdps_ros.runtime.localizer import Localizer
from mdps_ros.runtime.outputs import State
from mdps_ros.runtime.travel import Looks
from mdps_ros.runtime.updates import Updates
from mdps_ros.settings import StartSettings

NOWHERE = (
    "no road or free floor of the map lies in the region, so the belief stays; give corners in the "
    "map's frame, in metres"
)
POSES = 10  # that may wait for odometry, each in the place of the one before
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


class _Left(NamedTuple):
    """The belief of a vehicle that was tracked, which a search took the place of."""

    request: StartEvent
    belief: Belief
    fit: float
    last: OdometrySample
    travelled: float
    looks: Looks
    way: tuple[OdometrySample, ...] = ()  # of the updates since then


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
        # what waits for odometry: the newest pose counts, then a saved belief, then a search
        self._poses: deque[InitialPoseEvent] = deque(maxlen=POSES)
        self._saved: SavedBelief | None = None
        self._search: GlobalStartEvent | None = None
        self._left: _Left | None = None

    def forget(self) -> None:
        """Nothing waits any more, and nobody goes back to a belief of before."""
        self._poses.clear()
        self._saved = self._search = self._left = None

    def withdraw(self, request: StartEvent, back: bool) -> Begun:
        """Somebody no longer asks for this start: it does not begin where it still waits.

        What it took the place of waits again; in the place of a search that is one by the settings.

        Args:
            request: what asked for it.
            back: whether the belief of a tracked vehicle is to come back where the start was a
                search, and has begun; odometry moves it on.
        """
        left, newest = self._left, self._odometry.newest
        if back and left is not None and left.request is request and newest is not None:
            self._left = None
            if newest.travelled - left.last.travelled <= BACK_M:
                return self._go_back(left)
        if isinstance(request, InitialPoseEvent):
            self._poses = deque((pose for pose in self._poses if pose is not request), POSES)
        elif self._search is request and self._odometry.newest is None:
            self._search = None
            self.unasked()
            text = "the search that waited was withdrawn; started over the whole map"
            return Begun((Note(Code.STARTED, Severity.INFO, text),))
        return Begun()

    def at_pose(self, request: InitialPoseEvent) -> Begun:
        """Restart around a pose."""
        # who made a guess that another request took the place of was told that it is off
        self._poses = deque((pose for pose in self._poses if pose.told), POSES)
        self._poses.append(request)
        return self.due()

    def with_saved(self, saved: SavedBelief) -> Begun:
        """Go on with a saved belief."""
        self.forget()
        self._saved = saved
        self._localizer.restore(saved.belief, saved.fit)
        return self.due()

    def anywhere(self, request: GlobalStartEvent) -> Begun:
        """Start over the map or a region of it, with the heading of the request.

        Both are of now: where time goes back, the next start is as the settings have it.
        """
        everywhere = self._localizer.global_prior(request.heading)
        prior = everywhere if request.region is None else inside(everywhere, request.region)
        if prior is None:
            return Begun((Note(Code.NO_START, Severity.ERROR, NOWHERE),))
        left = self._leaves(request)
        self.forget()
        self._search, self._left = request, left
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
        self._left = None
        self._localizer.start(self._anywhere)

    def change_map(self) -> None:
        """The localizer is on another map: places of the one before mean nothing there."""
        self.forget()
        self._anywhere = self._localizer.global_prior(self._anywhere.heading)

    def updated(self, now: OdometrySample) -> None:
        """There was an update: nobody goes back from a place that is claimed, or is far away."""
        left = self._left
        if left is None:
            return
        found = self._updates.claims.state is State.TRACKING
        far = now.travelled - left.last.travelled > BACK_M
        self._left = None if found or far else left._replace(way=(*left.way, now))

    def expect(self, event: OdometryEvent) -> None:
        """The first odometry: let that of a saved belief come before it where it goes on."""
        saved = None if self._poses else self._saved
        if saved is not None and self._odometry.newest is None and goes_on(saved, event):
            self._odometry.add(saved.stamp_ns, saved.T_odom_base)

    def due(self) -> Begun:
        """Begin what waits, as there is odometry."""
        if self._odometry.newest is None:
            return Begun()
        if self._poses:
            return self._start(self._poses[-1])
        return Begun() if self._saved is None else self._resume(self._saved)

    def _start(self, request: InitialPoseEvent) -> Begun:
        """Around the pose, moved on to the newest odometry."""
        newest = self._odometry.newest
        assert newest is not None
        then = newest if request.stamp_ns == 0 else self._odometry.at(request.stamp_ns)
        moved = np.zeros(3) if then is None else between(then.T_odom_base, newest.T_odom_base)
        mean = compose(request.T_map_base, moved)
        covariance = np.where(FLOOR > 0, np.maximum(request.covariance, FLOOR), request.covariance)
        left = None if request.told else self._leaves(request)
        if request.told:
            self._localizer.start(PosePrior(mean, covariance))
            text = "restarted around the initial pose"
        else:
            self._localizer.start(MovedPrior(PosePrior(request.T_map_base, covariance), moved))
            text = "searching around the pose that was guessed"
        oldest_ns = self._odometry.oldest_ns
        if then is None and oldest_ns is not None and request.stamp_ns < oldest_ns:
            text += "; no odometry reaches back to its stamp, so it counts as of now"
        self.forget()
        self._left = left
        self._updates.begin(newest, told=request.told)
        data = {"x_m": mean[0], "y_m": mean[1]}
        note = Note(Code.INITIAL_POSE, Severity.INFO, text, data)
        # a guess waits for the next image: without any it would count as confirmed
        return Begun((note,), update=True, answer=request.told)

    def _resume(self, saved: SavedBelief) -> Begun:
        """With the saved belief at its own odometry, or at the newest there is."""
        newest, then = self._odometry.newest, self._odometry.at(saved.stamp_ns)
        assert newest is not None
        self.forget()
        self._updates.begin(newest if then is None else then, saved.state, saved.travelled)
        text = "went on with the saved belief"
        text += "; the vehicle is taken to have stood still since" if then is None else ""
        data = {"stamp_s": saved.stamp_ns * 1e-9}
        return Begun((Note(Code.RESTORED, Severity.INFO, text, data),), update=True)

    def _leaves(self, request: StartEvent) -> _Left | None:
        """The belief that a search takes the place of, where that was any good."""
        held, last = self._localizer.held, self._updates.travel.last
        if held is not None and last is not None and self._updates.claims.state is State.TRACKING:
            travel = self._updates.travel
            return _Left(request, *held, last, travel.total(last), travel.looks)
        # a search took the place of another one: what that one left
        return None if self._left is None else self._left._replace(request=request)

    def _go_back(self, left: _Left) -> Begun:
        """To the belief of before a search, moved on the way that the vehicle has come since.

        Step by step: within one the motion's noise does not turn the vehicle.
        """
        self._localizer.restore(left.belief, left.fit)
        travel = self._updates.travel
        self._updates.begin(left.last, State.TRACKING, left.travelled)
        travel.resume(left.looks)
        for now in left.way:
            self._localizer.advance(travel.step(now), None)
            travel.last = now
        text = "went back to the belief of before the search"
        data = {"stamp_s": left.last.stamp_ns * 1e-9}
        return Begun((Note(Code.RESTORED, Severity.INFO, text, data),), update=True)
