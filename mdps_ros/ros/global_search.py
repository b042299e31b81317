"""The action that finds the vehicle anew, on the whole map or on a part of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from geometry_msgs.msg import PoseWithCovariance
from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode

from mdps_ros.action import GlobalLocalize
from mdps_ros.msg import Hypothesis, LocalizerStatus
from mdps_ros.notes import Note
from mdps_ros.ros import convert, services
from mdps_ros.ros.later import Later
from mdps_ros.ros.map_changes import NOT_CONFIGURED
from mdps_ros.runtime.events import BACK_M, GlobalStartEvent, StartEvent
from mdps_ros.runtime.outputs import PoseEstimate, State
from mdps_ros.runtime.recovery.asked_search import AskedSearch, Found

if TYPE_CHECKING:
    from mdps_ros.ros.pipeline import Pipeline

TICK_S = 0.5
"""How often a client is told how the search stands where no estimate comes."""
CANCELED = (
    f"the search was cancelled; where the vehicle was tracked less than {BACK_M:g} m before, the "
    "filter goes back to that belief, else it goes on"
)
BOTH = "both a region and a guess are given; give one of them"
NO_FRAME = "the guess names no frame; set guess.header.frame_id, as of the map"
NO_SPREAD = "a heading wants a spread; set heading_sd, as 0.5 rad"
HEADING_TWICE = "a guess holds its own heading; leave heading_sd at 0, or give no guess"


class GlobalSearch:
    """Serves `~/global_localize`; lives as long as the node.

    Args:
        node: owner of the action.
        pipeline: the node's; None while it is not configured.
    """

    def __init__(self, node: LifecycleNode, pipeline: Callable[[], Pipeline | None]) -> None:
        self._node = node
        self._pipeline = pipeline
        self._goals: dict[bytes, Goal] = {}
        # a group of its own: the executor goes on with other callbacks while a goal waits
        self._group = ReentrantCallbackGroup()
        self._server = ActionServer(
            node,
            GlobalLocalize,
            services.GLOBAL_LOCALIZE.name,
            self._serve,
            callback_group=self._group,
            cancel_callback=self._cancel,
        )

    def destroy(self) -> None:
        """Give the action back; before the node is destroyed."""
        self._server.destroy()

    def _cancel(self, handle: Any) -> CancelResponse:
        goal = self._goals.get(bytes(handle.goal_id.uuid))
        if goal is not None:
            goal.give_up(CANCELED, back=True)
        return CancelResponse.ACCEPT

    async def _serve(self, handle: Any) -> Any:
        result = GlobalLocalize.Result()
        pipeline = self._pipeline()
        wanted = NOT_CONFIGURED if pipeline is None else search_event(handle.request, pipeline)
        if pipeline is None or isinstance(wanted, str):
            result.message = wanted
            handle.abort()
            return result
        if handle.is_cancel_requested:  # both came while the node was busy
            result.message = CANCELED
            handle.canceled()
            return result
        goal = Goal(self._node, handle, pipeline, wanted)
        key = bytes(handle.goal_id.uuid)
        self._goals[key] = goal
        # by a clock that runs even while simulated time stands still
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        timer = self._node.create_timer(TICK_S, goal.tick, callback_group=self._group, clock=steady)
        try:
            found = await goal.done
        finally:
            del self._goals[key]
            self._node.destroy_timer(timer)
        self._fill(result, found, goal, pipeline)
        if handle.is_cancel_requested:
            handle.canceled()
        elif found.found:
            handle.succeed()
        else:
            handle.abort()
        return result

    def _fill(self, result: Any, found: Found, goal: Goal, pipeline: Pipeline) -> None:
        result.success, result.message = found.found, found.text
        result.seconds = goal.seconds()
        if found.estimate is not None:
            result.reliable = found.estimate.state is State.TRACKING
            result.pose = convert.pose_message(found.estimate, pipeline.settings.frames.map)
            result.hypotheses = goal.hypotheses
        self._node.get_logger().info(f"global_localize: {found.text}")


class Goal:
    """One goal: asks the session, and tells the client how the search stands.

    Attributes:
        done: what comes of it.
        hypotheses: those of the search's newest estimate.

    Args:
        node: whose clock counts.
        handle: of the goal.
        pipeline: the node's.
        event: what begins the search.
    """

    def __init__(
        self, node: LifecycleNode, handle: Any, pipeline: Pipeline, event: StartEvent
    ) -> None:
        self.done: Later[Found] = Later(node)
        self._clock = node.get_clock()
        self.hypotheses: Sequence[Hypothesis] = ()
        self._begin_ns = 0
        self._handle = handle
        self._pipeline = pipeline
        self._event = event
        self._told = False  # of an estimate, since the last tick
        self._feedback = GlobalLocalize.Feedback(
            state=LocalizerStatus.UNINITIALIZED, entropy_nats=math.nan
        )
        least = float(handle.request.min_confidence)
        self._search = AskedSearch(event, least, self._tell, self.done.give)
        self.seconds()  # the count begins
        pipeline.request(event, self._search)

    def seconds(self) -> float:
        """Since the goal was accepted, by the node's clock.

        Simulated time begins with the first /clock, before which it stands at zero; where it goes
        back, as when a bag is played again, the count begins anew.
        """
        now_ns: int = self._clock.now().nanoseconds
        if self._begin_ns == 0 or now_ns < self._begin_ns:
            self._begin_ns = now_ns
        return (now_ns - self._begin_ns) * 1e-9

    def give_up(self, why: str, *, back: bool) -> None:
        """End the search; a start that waits does not begin.

        Args:
            why: for the client.
            back: whether the filter goes back to what it tracked before, as far as it did; else the
                belief stays as it is.
        """
        if self._search.give_up(why):
            self._pipeline.withdraw(self._event, back)

    def tick(self) -> None:
        """Look at the clock, and say what is waited for where no estimate came."""
        limit = float(self._handle.request.max_seconds)
        if self._handle.is_cancel_requested:
            self.give_up(CANCELED, back=True)
        elif limit and self.seconds() >= limit:
            self.give_up(f"no place is claimed after {limit:g} s; {self._standing()}", back=False)
        elif not self._told:
            self._feedback.waiting_for = self._pipeline.waiting_for()
            self._publish()
        self._told = False

    def _standing(self) -> str:
        """How far the search is, and what would help."""
        estimate = self._search.estimate
        if estimate is None:
            begun = "it has used no frame yet" if self._search.begun else "it has not begun"
            return f"{begun} (waiting_for: {self._pipeline.waiting_for()})"
        shares = ", ".join(f"{mode.mass:.2f}" for mode in estimate.modes[:3])
        return f"the heaviest hold {shares}; the filter goes on: drive on, or give more time"

    def _tell(self, estimate: PoseEstimate) -> None:
        """In the worker's thread: an estimate of the search."""
        self._told = True
        self.hypotheses = self._pipeline.hypotheses.hypotheses
        self._feedback = GlobalLocalize.Feedback(
            state=getattr(LocalizerStatus, estimate.state.name),
            hypotheses=len(estimate.modes),
            top_mass=float(estimate.modes[0].mass),
            entropy_nats=float(estimate.entropy),
            particles=int(estimate.particles),
            travelled_m=float(estimate.travelled),
        )
        self._publish()

    def _publish(self) -> None:
        self._feedback.seconds = self.seconds()
        self._handle.publish_feedback(self._feedback)


def search_event(request: Any, pipeline: Pipeline) -> StartEvent | str:
    """The event that begins a goal's search, or why there is none."""
    numbers = (request.heading, request.heading_sd, request.max_seconds, request.min_confidence)
    if not all(map(math.isfinite, numbers)) or min(numbers[1:]) < 0.0 or numbers[3] > 1.0:
        return (
            "heading_sd, max_seconds and min_confidence must be finite and not negative, "
            "min_confidence at most 1"
        )
    if request.heading and not request.heading_sd:
        return NO_SPREAD
    corners, guessed = request.region.polygon.points, bool(request.guess.header.frame_id)
    if not guessed and request.guess.pose != PoseWithCovariance():
        return NO_FRAME
    if guessed and (corners or request.heading_sd):
        return BOTH if corners else HEADING_TWICE
    if guessed:
        event = pipeline.intake.guess(request.guess)
        return event.text if isinstance(event, Note) else dataclasses.replace(event, told=False)
    heading = (request.heading, request.heading_sd) if request.heading_sd else None
    region = pipeline.intake.region(request.region) if corners else None
    if isinstance(region, Note):
        return region.text
    return GlobalStartEvent(heading=heading, region=region)
