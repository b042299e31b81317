"""The services that pose initializers ask: where in this region is the vehicle, and be quiet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode
from std_srvs.srv import SetBool

from mdps_ros.notes import Note
from mdps_ros.ros import convert, services
from mdps_ros.ros.installed import installed
from mdps_ros.ros.later import Later
from mdps_ros.ros.map_changes import NOT_CONFIGURED
from mdps_ros.runtime.events import InitialPoseEvent
from mdps_ros.settings import Settings
from mdps_ros.srv import AlignPose

if TYPE_CHECKING:
    from mdps_ros.ros.pipeline import Pipeline
    from mdps_ros.runtime.ground import Ground
    from mdps_ros.runtime.recovery.aligner import Answer
    from mdps_ros.runtime.recovery.alignment import Alignment
    from mdps_ros.runtime.watching.recent import Seen

AUTOWARE_PACKAGES = ("autoware_internal_localization_msgs", "tier4_localization_msgs")
"""Where Autoware keeps the type of its align services, the newer one first."""
NO_AUTOWARE = (
    "neither autoware_internal_localization_msgs nor tier4_localization_msgs is installed, so the "
    "service ~/yabloc_align_srv is not offered; ~/align does the same"
)
CHANGED = "the map was changed meanwhile; ask again"


def autoware_align_type() -> Any | None:
    """The type of Autoware's align services, None where it is not installed."""
    found = (installed(f"{p}.srv", "PoseWithCovarianceStamped") for p in AUTOWARE_PACKAGES)
    return next((kind for kind in found if kind is not None), None)


class Aligning:
    """What a configured node searches by, and whether it speaks.

    Args:
        node: whose callbacks ask.
        ground: the map on which the vehicle is, made ready.
        settings: the whole tree.
        convert_guess: a geometry_msgs/PoseWithCovarianceStamped as an event, or why it is none.
        speak: whether poses and transform are published from now on.
        failed: takes what is to be said of an exception in a search, and the exception.
    """

    def __init__(
        self,
        node: LifecycleNode,
        ground: Ground,
        settings: Settings,
        convert_guess: Callable[[Any], InitialPoseEvent | Note],
        speak: Callable[[bool], None],
        failed: Callable[[str, Exception], object],
    ) -> None:
        # Here, not above: it brings torch, see the node's on_configure.
        from mdps_ros.runtime.recovery.aligner import STOPPED, Aligner

        self._node = node
        self._aligner = Aligner(ground, settings, failed)
        self._stopped = STOPPED
        self._open = False
        self._convert_guess = convert_guess
        self.speak = speak

    def start(self) -> None:
        """Begin to answer."""
        self._open = True
        self._aligner.start()

    def stop(self) -> None:
        """Answer that there is nothing to search by; safe to repeat."""
        self._open = False
        self._aligner.stop()

    def keep(self, updates: tuple[Seen, ...]) -> None:
        """Take what the session saw last."""
        self._aligner.keep(updates)

    def change_map(self, ground: Ground) -> None:
        """What is kept from now on was seen on another map."""
        self._aligner.change_map(ground)

    def adopt(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self._aligner.adopt(settings)

    async def search(self, guess: Any, map_id: Callable[[], str]) -> Answer:
        """Where the vehicle is, or why that cannot be said.

        Args:
            guess: a geometry_msgs/PoseWithCovarianceStamped.
            map_id: of the map in use, or to be used as soon as the session comes to it.
        """
        event = self._convert_guess(guess)
        if isinstance(event, Note):
            return event.text
        later: Later[Answer] = Later(self._node)
        asked_on = self._aligner.ask(event, later.give)
        answer = await later
        if isinstance(answer, str):
            return answer
        if not self._open:
            return self._stopped
        return answer if asked_on == map_id() else CHANGED


class AlignServices:
    """Answer where in a region the vehicle is, and hold poses and transform back.

    The services live as long as the node: the answer of a request may be due after a clean-up.

    Args:
        node: owner of the services.
        pipeline: the node's; None while it is not configured.
    """

    def __init__(self, node: LifecycleNode, pipeline: Callable[[], Pipeline | None]) -> None:
        self._node = node
        self._pipeline = pipeline
        # a group of their own: the executor goes on with other callbacks while they wait
        group = ReentrantCallbackGroup()
        make = node.create_service
        make(AlignPose, services.ALIGN.name, self._align, callback_group=group)
        make(SetBool, services.TRIGGER.name, self._trigger)
        kind = autoware_align_type()
        if kind is None:
            node.get_logger().info(NO_AUTOWARE)
        else:
            make(kind, services.YABLOC_ALIGN.name, self._yabloc_align, callback_group=group)

    async def _align(self, request: Any, response: Any) -> Any:
        pipeline = self._pipeline()
        found = await self._search(pipeline, request.guess)
        if pipeline is None or isinstance(found, str):
            response.message = found
            return response
        response.success, response.reliable, response.message = True, found.reliable, found.text
        response.share, response.evidence = float(found.modes[0].mass), float(found.evidence)
        response.images = found.images
        response.pose = _pose(pipeline, found)
        if request.apply and found.reliable:
            # at once: the search has just found the pipeline open, on the map that it is of
            response.applied = True
            pipeline.request(
                InitialPoseEvent(
                    stamp_ns=found.stamp_ns,
                    T_map_base=found.T_map_base,
                    covariance=found.covariance,
                )
            )
        return response

    async def _yabloc_align(self, request: Any, response: Any) -> Any:
        pipeline = self._pipeline()
        found = await self._search(pipeline, request.pose_with_covariance)
        if pipeline is None or isinstance(found, str):
            self._node.get_logger().warning(f"align: {found}")
            response.pose_with_covariance = request.pose_with_covariance
            return response
        self._node.get_logger().info(f"align: {found.text}")
        response.success, response.reliable = True, found.reliable
        response.pose_with_covariance = _pose(pipeline, found)
        return response

    def _trigger(self, request: Any, response: Any) -> Any:
        pipeline = self._pipeline()
        if pipeline is None:
            response.message = NOT_CONFIGURED
            return response
        pipeline.aligning.speak(bool(request.data))
        response.success = True
        word = "published" if request.data else "held back"
        response.message = f"poses and transform are {word}"
        return response

    async def _search(self, pipeline: Pipeline | None, guess: Any) -> Answer:
        if pipeline is None:
            return NOT_CONFIGURED
        return await pipeline.aligning.search(guess, lambda: pipeline.map_id)


def _pose(pipeline: Pipeline, found: Alignment) -> Any:
    frame = pipeline.settings.frames.map
    return convert.placed(found.T_map_base, found.covariance, found.stamp_ns, frame)
