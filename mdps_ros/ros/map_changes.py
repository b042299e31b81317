"""The service that changes the map of a running node, and what it loads beside the node's work."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter

from mdps_ros.ros.later import Later
from mdps_ros.ros.services import LOAD_MAP
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


class MapChanges:
    """Answers when the map is changed, or when it cannot be; the node works on meanwhile.

    The service lives as long as the node: the answer of a request may be due after a clean-up.

    Args:
        node: owner of the service.
        pipeline: the node's; None while it is not configured.
    """

    def __init__(self, node: LifecycleNode, pipeline: Callable[[], Pipeline | None]) -> None:
        self._node = node
        self._pipeline = pipeline
        self._busy = False
        # of its own: a callback that waits holds up all others of its group
        group = ReentrantCallbackGroup()
        node.create_service(LoadMap, LOAD_MAP.name, self._answer, callback_group=group)

    async def _answer(self, request: Any, response: Any) -> Any:
        pipeline = self._pipeline()
        response.map_id = "" if pipeline is None else pipeline.map_id
        if pipeline is None or not request.map or self._busy:
            response.message = NOT_CONFIGURED if pipeline is None else BUSY
            response.message = response.message if request.map else NO_NAME
            return response
        self._busy = True
        try:
            response.success, response.message = await self._change(pipeline, request.map)
        finally:
            self._busy = False
        response.map_id = pipeline.map_id
        return response

    async def _change(self, pipeline: Pipeline, source: str) -> tuple[bool, str]:
        """Whether the map was changed, and what is to be said."""
        self._node.get_logger().info(f"loading the map {source}; localization goes on meanwhile")
        loaded: Later[NewMap | str] = Later(self._node)
        arguments = (pipeline, source, loaded)
        threading.Thread(target=self._load, args=arguments, name="mdps_map", daemon=True).start()
        new = await loaded
        if isinstance(new, str):
            self._node.get_logger().error(new)
            return False, new
        if self._pipeline() is not pipeline:
            return False, CLEANED_UP
        changed: Later[str] = Later(self._node)
        pipeline.change_map(new, changed.give)
        self._node.set_parameters([Parameter("node.map", value=source)])
        return True, await changed

    def _load(self, pipeline: Pipeline, source: str, loaded: Later[NewMap | str]) -> None:
        """In a thread of its own: a NewMap, or one line on why there is none."""
        from mdps_ros.maps import MapError

        kept = "; the map of before stays"
        try:
            loaded.give(pipeline.load_map(source))
        except MapError as error:
            loaded.give(f"cannot load the map: {error}{kept}")
        except Exception as error:  # the edge: nothing above this thread would see it
            self._node.get_logger().error(traceback.format_exc())
            loaded.give(f"cannot load the map {source}: {error!r}{kept}")
