"""What exists between configure and cleanup: subscriptions -> worker -> session -> publishers.

Callbacks run in the executor's thread, which converts, enqueues, predicts and diagnoses; the
session and what it publishes live in the worker's thread; smoothed trajectories, where they are
asked for, come from a third.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode

from mdps_ros.msg import HypothesisArray
from mdps_ros.notes import Code, Note
from mdps_ros.ros import diagnostics
from mdps_ros.ros.aligning import Aligning
from mdps_ros.ros.beside import Beside
from mdps_ros.ros.bonding import make_bonding
from mdps_ros.ros.intake import Intake
from mdps_ros.ros.map_changes import NewMap, load_new_map, published_grid
from mdps_ros.ros.publishing import Publishing
from mdps_ros.ros.reporting import Reporting
from mdps_ros.ros.requests import Requests
from mdps_ros.ros.telling import Telling
from mdps_ros.ros.watching import watched
from mdps_ros.runtime.asking import DEACTIVATED, Asking, Follower
from mdps_ros.runtime.events import (
    Event,
    MapEvent,
    OdometryEvent,
    SettingsEvent,
    StartEvent,
    WithdrawEvent,
)
from mdps_ros.runtime.health import BEHIND_S, Health
from mdps_ros.runtime.jumps import CAUSES, JumpWatch
from mdps_ros.runtime.keeping.archive import Archive
from mdps_ros.runtime.outputs import ParticleSnapshot, PoseEstimate, TransformEstimate
from mdps_ros.runtime.prediction import Predictor
from mdps_ros.runtime.watching.trail import Trail
from mdps_ros.runtime.worker import Worker
from mdps_ros.settings import Settings, with_values

if TYPE_CHECKING:
    from mdps_ros.maps import Map
    from mdps_ros.runtime.session import Session

FORGETTING = (Code.MAP_CHANGED, Code.STAMP_REGRESSION)
"""Notes after which poses of before mean nothing."""


class Pipeline:
    """Topics and session of a configured node.

    Args:
        node: owner of publishers and subscriptions.
        settings: of the session.
        city: the map of the session; its bounds are published.
        session: answers events; used by the worker's thread alone.
        failed: called in the worker's thread with an exception that the session raised.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: Settings,
        city: Map,
        session: Session,
        failed: Callable[[Exception], None],
    ) -> None:
        self._node = node
        self._settings = settings
        self._map = city
        self._session = session
        self._health = Health(*watched(settings, city))
        self._telling = Telling(node, self._health)
        self._log = self._telling.note
        self._open = False
        self._new_map: NewMap | None = None  # on its way to the session
        self._changed: Callable[[str], None] = lambda text: None  # told when it has come there
        self._asking, self._trail = Asking(), Trail(settings.smoother.enabled)
        self._publishing = Publishing(node, settings, city.id)
        self._worker = Worker(self._handle, failed, settings.runtime.image_wait)
        self._beside = Beside(
            session, city, settings, self._publishing, self._telling, self._health, self._trail
        )
        self._jumps = JumpWatch(settings.estimate)
        self._predictor = Predictor(settings.motion, settings.node.odometry_rate)
        self._intake = Intake(node, settings, city, self._offer, self._heard, self._moved)
        session.stopwatch.clock = time.perf_counter
        self._reporting = Reporting(
            node, self._publishing, self._health, session.stopwatch, lambda: self._intake.refused
        )
        file, period = settings.node.state_file, settings.node.state_period
        self._archive = Archive(city.id, file, period, self._log)
        self._requests = Requests(
            *(node, self._offer, self._intake.initial_pose, self._archive),
            *(self._trail, settings.frames.map),
        )
        guess, speak, failure = self._intake.guess, self._publishing.speak, self._telling.failure
        self._aligning = Aligning(node, session.ground, settings, guess, speak, failure)
        self._bonding = make_bonding(node, settings.node.bond_period)
        # by a clock that runs even while simulated time stands still
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(diagnostics.PERIOD_S, self._diagnose, clock=steady)

    @property
    def map_id(self) -> str:
        """Content hash of the map in use, or to be used as soon as the session comes to it."""
        return self._map.id

    @property
    def settings(self) -> Settings:
        """The settings in force, or to be in force at the next activation."""
        return self._settings

    @property
    def aligning(self) -> Aligning:
        """Searches regions."""
        return self._aligning

    def adopt(self, settings: Settings) -> None:
        """Go on by other settings, which differ from those in force in live ones only."""
        self._settings = settings
        self._predictor.adopt(settings.motion, settings.node.odometry_rate)
        self._intake.adopt(settings)
        self._archive.pace(settings.node.state_period)
        self._aligning.adopt(settings)
        self._health.know(*watched(settings, self._map))
        if self._open:
            self._offer(SettingsEvent(settings=settings))

    @property
    def intake(self) -> Intake:
        """Converts what messages hold."""
        return self._intake

    @property
    def hypotheses(self) -> HypothesisArray:
        """Those of the newest estimate."""
        return self._publishing.hypotheses

    def request(self, event: Event, follower: Follower | None = None) -> bool:
        """Ask the session for something now, or at the next activation.

        Args:
            event: what is asked for.
            follower: told of what comes of it, in the worker's thread.

        Returns:
            False where the event waits for the activation.
        """
        if follower is not None:
            self._asking.follow(follower)
        self._offer(event)
        return self._open

    def withdraw(self, event: StartEvent, back: bool) -> None:
        """A start is asked for no longer; `back` as in WithdrawEvent."""
        self._asking.withdraw(event)
        gone = WithdrawEvent(request=event, back=back)
        if not self._open:
            self._handle(gone)
        elif not self._worker.withdraw(event):  # it has come to the session
            self._worker.put(gone)

    def waiting_for(self) -> str:
        """What has to come before there is another estimate."""
        if not self._open:
            return "the activation of the node"
        behind_s = self._health.behind_s
        if behind_s > BEHIND_S:
            return f"the node itself, which is {behind_s:.1f} s behind the odometry"
        first = "odometry" if self._publishing.estimate is None else "motion: drive on"
        return self._health.missing(time.monotonic()) or first

    def load_map(self, source: str) -> NewMap:
        """Load a map for `change_map`; in a thread of its own. Raises as `load_new_map`."""
        return load_new_map(self._session, source, self._settings.node.map_resolution)

    def change_map(self, new: NewMap, done: Callable[[str], None]) -> None:
        """Go on on another map.

        Args:
            new: the map.
            done: takes what became of the belief, in the worker's thread or in this one.
        """
        self._map = new.city
        self._settings = with_values(self._settings, {"node.map": new.source})
        self._intake.change_map(new.city)  # what is heard from here on comes after the event
        self._health.know(*watched(self._settings, self._map))
        self._new_map, self._changed = new, done
        if self._open:
            self._worker.put(new.event)
        else:
            self._asking.change_map()
            self._handle(new.event)

    def open(self) -> None:
        """Publish the map and a first status, then take messages; publishers must be active."""
        self._publishing.map(published_grid(self._map, self._settings.node.map_resolution))
        self._beside.start()
        self._aligning.start()
        self._worker.start()
        self._health.begin(time.monotonic())
        self._open = self._intake.open = True
        self._reporting.report()
        self._offer(SettingsEvent(settings=self._settings))  # they may have changed meanwhile
        restored = self._archive.start()
        for event in (*((restored,) if restored else ()), *self._asking.hand_over()):
            self._offer(event)
        if self._bonding is not None:
            self._bonding.start()

    def close(self) -> None:
        """Take no more messages and wait for the workers; the belief is kept."""
        self._open = self._intake.open = False
        if self._bonding is not None:
            self._bonding.stop()
        for late in self._worker.stop():  # first: what it has begun is answered as begun
            if isinstance(late, WithdrawEvent):
                self._handle(late)
        for event in self._asking.give_up(DEACTIVATED):
            self._asking.withdraw(event)
            self._handle(WithdrawEvent(request=event))
        if self._new_map is not None:  # it was still on its way to the worker
            self._handle(self._new_map.event)
        self._archive.stop()  # first: who waits for the others may lose patience
        self._aligning.stop()
        self._beside.stop()

    def destroy(self) -> None:
        """Close and give all topics back."""
        self.close()
        self._node.destroy_timer(self._timer)
        self._intake.destroy()
        self._requests.destroy()
        if self._bonding is not None:
            self._bonding.destroy()
        self._publishing.destroy()

    # -- executor's thread ---------------------------------------------------------------------

    def _offer(self, event: Event | Note) -> None:
        if isinstance(event, Note):
            self._log(event)
        elif self._open:
            note = self._worker.put(event)
            if note is not None:
                self._reporting.queued(note)
                self._log(note)
        elif self._asking.keep(event):
            self._node.get_logger().info("request kept until the node is activated")

    def _heard(self, name: str) -> None:
        self._health.heard(name, time.monotonic())

    def _moved(self, event: OdometryEvent, twist: Any) -> None:
        if not self._open:
            return
        self._health.odometry(heard_ns=event.stamp_ns)
        pose = self._predictor.predict(event)
        if pose is not None:
            self._publishing.predicted(pose, twist)

    def _diagnose(self) -> None:
        if self._open:
            self._publishing.diagnostics(self._health.conditions(time.monotonic()))

    # -- worker's thread -----------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        if isinstance(event, MapEvent):
            self._beside.stop()
            self._predictor.forget()  # what is claimed from here on is of another frame
        self._beside.heard(event)
        begin = time.monotonic()
        with self._beside.standing_back():
            outputs = self._session.handle(event)
        seconds = time.monotonic() - begin
        if isinstance(event, SettingsEvent):
            self._adopted(event.settings)
        if isinstance(event, MapEvent):
            self._arrive()
        for output in outputs:
            self._predictor.see(output)
            jump = self._jumps.see(output)
            if jump is not None:
                self._publishing.jump(jump)
            if isinstance(output, PoseEstimate):
                self._publishing.pose(output)
                self._trail.add(output)
            elif isinstance(output, TransformEstimate):
                self._publishing.transform(output, self._intake.odom_frame)
            elif isinstance(output, ParticleSnapshot):
                self._publishing.particles(output)
            elif isinstance(output, Note):
                self._take_note(output)
            self._beside.said(output, jump)
        self._reporting.answered(event, outputs, seconds)
        self._asking.answered(event, outputs)
        self._archive.keep(self._session.held(), time.monotonic())
        self._aligning.keep(self._session.recent)

    def _arrive(self) -> None:
        """The session is on another map; so is everybody else from here on."""
        new, self._new_map = self._new_map, None
        assert new is not None
        self._publishing.change_map(new.city.id)
        self._archive.change_map(new.city.id)
        self._publishing.map(new.grid)
        self._beside.change_map(new.city, self._settings)
        self._aligning.change_map(new.event.ready.ground)
        if self._open:
            self._beside.start()

    def _adopted(self, settings: Settings) -> None:
        """The session goes by other settings; so do those who listen to it."""
        self._jumps.adopt(settings.estimate)
        self._publishing.adopt(settings)
        self._beside.adopt(settings)

    def _take_note(self, note: Note) -> None:
        self._reporting.note(note)
        if note.code in FORGETTING:
            self._trail.forget()
        if note.code in CAUSES:  # what was published before belongs to another belief
            self._publishing.restart()
        self._log(note)
        if note.code is Code.MAP_CHANGED:
            self._changed(note.text)
