"""The services that pose initializers ask: where in this region is the vehicle, and be quiet."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode
from rclpy.task import Future
from std_srvs.srv import SetBool

from mdps_ros.notes import Note
from mdps_ros.ros import convert, requests
from mdps_ros.runtime.events import Event, InitialPoseEvent
from mdps_ros.settings import Settings
from mdps_ros.srv import AlignPose

if TYPE_CHECKING:
    from mdps_ros.maps import Map
    from mdps_ros.runtime.recovery.aligner import Answer
    from mdps_ros.runtime.recovery.alignment import Alignment
    from mdps_ros.runtime.watching.recent import Seen

AUTOWARE_PACKAGES = ("autoware_internal_localization_msgs", "tier4_localization_msgs")
"""Where Autoware keeps the type of its align services, the newer one first."""
NO_AUTOWARE = (
    "neither autoware_internal_localization_msgs nor tier4_localization_msgs is installed, so the "
    "service ~/yabloc_align_srv is not offered; ~/align does the same"
)


def autoware_align_type() -> Any | None:
    """The type of Autoware's align services, None where it is not installed."""
    for package in AUTOWARE_PACKAGES:
        try:
            return importlib.import_module(f"{package}.srv").PoseWithCovarianceStamped
        except ImportError:
            continue
    return None


class Aligning:
    """Services of a configured node, and the thread that answers them.

    Args:
        node: owner of the services.
        city: where the vehicle is.
        settings: the whole tree.
        convert_guess: a geometry_msgs/PoseWithCovarianceStamped as an event, or why it is none.
        offer: takes an event for the session.
        speak: whether poses and transform are published from now on.
    """

    def __init__(
        self,
        node: LifecycleNode,
        city: Map,
        settings: Settings,
        convert_guess: Callable[[Any], InitialPoseEvent | Note],
        offer: Callable[[Event], None],
        speak: Callable[[bool], None],
    ) -> None:
        # Here, not above: it brings torch, see the node's on_configure.
        from mdps_ros.runtime.recovery.aligner import Aligner

        self._node = node
        self._aligner = Aligner(city, settings)
        self._convert_guess = convert_guess
        self._offer = offer
        self._speak = speak
        self._map_frame = settings.frames.map
        # a group of their own: the executor goes on with other callbacks while they wait
        group = ReentrantCallbackGroup()
        make = node.create_service
        self._services = [
            make(AlignPose, requests.ALIGN.name, self._align, callback_group=group),
            make(SetBool, requests.TRIGGER.name, self._trigger),
        ]
        kind = autoware_align_type()
        if kind is None:
            node.get_logger().info(NO_AUTOWARE)
        else:
            name = requests.YABLOC_ALIGN.name
            self._services.append(make(kind, name, self._yabloc_align, callback_group=group))

    def start(self) -> None:
        """Begin to answer."""
        self._aligner.start()

    def stop(self) -> None:
        """Answer that there is nothing to search by; safe to repeat."""
        self._aligner.stop()

    def keep(self, updates: tuple[Seen, ...]) -> None:
        """Take what the session saw last."""
        self._aligner.keep(updates)

    def change_map(self, city: Map) -> None:
        """What is kept from now on was seen on another map."""
        self._aligner.change_map(city)

    def adopt(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self._aligner.adopt(settings)

    def destroy(self) -> None:
        """Give the services back."""
        for service in self._services:
            self._node.destroy_service(service)

    async def _align(self, request: Any, response: Any) -> Any:
        found = await self._search(request.guess)
        if isinstance(found, str):
            response.message = found
            return response
        response.success, response.reliable, response.message = True, found.reliable, found.text
        response.share, response.evidence = float(found.modes[0].mass), float(found.evidence)
        response.images = found.images
        response.pose = self._pose(found)
        if request.apply and found.reliable:
            response.applied = True
            self._offer(
                InitialPoseEvent(
                    stamp_ns=found.stamp_ns,
                    T_map_base=found.T_map_base,
                    covariance=found.covariance,
                )
            )
        return response

    async def _yabloc_align(self, request: Any, response: Any) -> Any:
        found = await self._search(request.pose_with_covariance)
        if isinstance(found, str):
            self._node.get_logger().warning(f"align: {found}")
            response.pose_with_covariance = request.pose_with_covariance
            return response
        self._node.get_logger().info(f"align: {found.text}")
        response.success, response.reliable = True, found.reliable
        response.pose_with_covariance = self._pose(found)
        return response

    async def _search(self, guess: Any) -> Answer:
        event = self._convert_guess(guess)
        if isinstance(event, Note):
            return event.text
        future: Future[Answer] = Future(executor=self._node.executor)
        self._aligner.ask(event, future.set_result)
        answer: Answer = await future
        return answer

    def _trigger(self, request: Any, response: Any) -> Any:
        self._speak(bool(request.data))
        response.success = True
        word = "published" if request.data else "held back"
        response.message = f"poses and transform are {word}"
        return response

    def _pose(self, found: Alignment) -> Any:
        return convert.placed(found.T_map_base, found.covariance, found.stamp_ns, self._map_frame)
