"""The services that change the map of a running node; maps are loaded beside the node's work."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter

from mdps_ros.ros import convert, nav2_maps, services
from mdps_ros.ros.later import Later
from mdps_ros.runtime.events import MapEvent
from mdps_ros.srv import LoadMap

if TYPE_CHECKING:
    from mdps_ros.core.mapdata import RasterTile
    from mdps_ros.maps import Map
    from mdps_ros.ros.pipeline import Pipeline
    from mdps_ros.runtime.session import Session

GRID_CELLS_MAX = 16_000_000
"""Cells of the published map; a larger map is published coarser."""

NOT_CONFIGURED = "the node is not configured; set the parameter node.map, then configure it"
NO_NAME = "no map is named; give a file (.osm, .osm.pbf, nav2 YAML), helsinki or suburb"
BUSY = "another map is being loaded; ask again when that is done"
KEPT = "; the map of before stays"
CLEANED_UP = "the node was cleaned up meanwhile; set the parameter node.map, then configure it"


class NewMap(NamedTuple):
    """A map that was loaded for a node.

    Attributes:
        source: as it was named.
        event: for the session.
        grid: to be published.
    """

    source: str
    event: MapEvent
    grid: RasterTile

    @property
    def city(self) -> Map:
        """The map itself."""
        return self.event.ready.map


def published_grid(city: Map, resolution: float) -> RasterTile:
    """The raster of a whole map at a resolution, m per cell, or as fine as can be."""
    bounds = city.bounds
    finest = (bounds.width * bounds.height / GRID_CELLS_MAX) ** 0.5
    return city.raster(bounds, max(resolution, finest))


def load_new_map(session: Session, source: str, resolution: float) -> NewMap:
    """Load a map and make it ready for a session, in whatever thread.

    Raises:
        MapError: it cannot be used.
    """
    # Here, not above: it brings torch, see the node's on_configure.
    from mdps_ros.maps import load_map

    city = load_map(source)
    event = MapEvent(ready=session.make_ready(city))
    return NewMap(source, event, published_grid(city, resolution))


class Outcome(NamedTuple):
    """What became of a request.

    Attributes:
        message: what went wrong and how to mend it, or what became of the belief.
        grid: the new map, to be published; None where the map of before stays.
        result: as nav2_msgs/srv/LoadMap has it.
    """

    message: str
    grid: RasterTile | None = None
    result: int = nav2_maps.UNDEFINED_FAILURE


class MapChanges:
    """Answers when the map is changed, or when it cannot be; the node works on meanwhile.

    The services live as long as the node: the answer of a request may be due after a clean-up.

    Args:
        node: owner of the services.
        pipeline: the node's; None while it is not configured.
    """

    def __init__(self, node: LifecycleNode, pipeline: Callable[[], Pipeline | None]) -> None:
        self._node = node
        self._pipeline = pipeline
        self._busy = False
        # of its own: a callback that waits holds up all others of its group
        group = ReentrantCallbackGroup()
        make = node.create_service
        make(LoadMap, services.LOAD_MAP.name, self._answer, callback_group=group)
        kind = nav2_maps.nav2_load_map_type()
        if kind is None:
            node.get_logger().info(nav2_maps.NO_NAV2)
        else:
            make(kind, services.NAV2_LOAD_MAP.name, self._answer_nav2, callback_group=group)

    async def _answer(self, request: Any, response: Any) -> Any:
        outcome = await self._change(request.map)
        response.success, response.message = outcome.grid is not None, outcome.message
        pipeline = self._pipeline()
        response.map_id = "" if pipeline is None else pipeline.map_id
        return response

    async def _answer_nav2(self, request: Any, response: Any) -> Any:
        pipeline = self._pipeline()
        try:
            outcome = await self._change(nav2_maps.named_by(request.map_url))
        except nav2_maps.UrlError as error:
            self._node.get_logger().error(f"cannot load the map: {error}{KEPT}")
            outcome = Outcome(str(error), result=nav2_maps.DOES_NOT_EXIST)
        response.result = outcome.result
        if pipeline is not None and outcome.grid is not None:
            response.map = convert.grid_message(outcome.grid, pipeline.settings.frames.map)
        return response

    async def _change(self, source: str) -> Outcome:
        """Change the map, one request at a time; say in the log why it was not."""
        pipeline = self._pipeline()
        if pipeline is None or not source or self._busy:
            message = NOT_CONFIGURED if pipeline is None else BUSY
            outcome = Outcome(message if source else NO_NAME)
        else:
            self._busy = True
            try:
                outcome = await self._load_and_change(pipeline, source)
            finally:
                self._busy = False
        if outcome.grid is None:
            self._node.get_logger().error(outcome.message)
        return outcome

    async def _load_and_change(self, pipeline: Pipeline, source: str) -> Outcome:
        self._node.get_logger().info(f"loading the map {source}; localization goes on meanwhile")
        loaded: Later[NewMap | Outcome] = Later(self._node)
        arguments = (pipeline, source, loaded)
        threading.Thread(target=self._load, args=arguments, name="mdps_map", daemon=True).start()
        new = await loaded
        if isinstance(new, Outcome):
            return new
        if self._pipeline() is not pipeline:
            return Outcome(CLEANED_UP)
        changed: Later[str] = Later(self._node)
        pipeline.change_map(new, changed.give)
        self._node.set_parameters([Parameter("node.map", value=source)])
        return Outcome(await changed, new.grid, nav2_maps.SUCCESS)

    def _load(self, pipeline: Pipeline, source: str, loaded: Later[NewMap | Outcome]) -> None:
        """In a thread of its own: a NewMap, or one line on why there is none."""
        from mdps_ros.maps import MapError

        try:
            loaded.give(pipeline.load_map(source))
        except MapError as error:
            result = nav2_maps.why_unusable(error)
            loaded.give(Outcome(f"cannot load the map: {error}{KEPT}", result=result))
        except Exception as error:  # the edge: nothing above this thread would see it
            self._node.get_logger().error(traceback.format_exc())
            loaded.give(Outcome(f"cannot load the map {source}: {error!r}{KEPT}"))
