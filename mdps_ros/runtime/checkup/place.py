"""Checks of map, machine and node."""

from __future__ import annotations

from mdps_ros.core.mapdata import Bounds
from mdps_ros.runtime.checkup.finding import Finding, failed, passed, warned
from mdps_ros.runtime.checkup.observation import MapSeen, NodeSeen, Observation
from mdps_ros.runtime.checkup.topics import wants_images
from mdps_ros.runtime.health import BEHIND_S, LESS_WORK
from mdps_ros.settings import Settings, SettingsError, with_values

ROAD_NEAR_M = 50.0
"""A place farther from every road is probably on another map."""
DEFAULT_SEGMENT_BYTES = 512 * 1024
"""Shared-memory segment of Fast DDS without a profile; larger images get lost in it."""
PROFILE = (
    "set FASTDDS_DEFAULT_PROFILES_FILE (FASTRTPS_DEFAULT_PROFILES_FILE on Humble and Jazzy) to "
    "this package's config/fastdds.xml, with its whole path, for camera and node"
)
MOST_DROPPED, MANY = 0.2, 20
"""Share of the frames that may have been dropped, of so many at least."""


def check_map(seen: Observation, settings: Settings) -> list[Finding]:
    """The map can be read and knows roads, or is an occupancy map."""
    city = seen.map
    if city is None:
        return [warned("map", "no map was named", "give --map, so that it is checked, too")]
    if city.error:
        what, _, remedy = city.error.partition("; ")
        return [failed("map", what, remedy or "name a map file, see `mdps map --help`")]
    width, height = city.bounds[2] - city.bounds[0], city.bounds[3] - city.bounds[1]
    text = f"{city.name}, {width:.0f} x {height:.0f} m, {city.road_m / 1000:.1f} km of road"
    if city.road_m > 0.0 or city.occupancy:
        return [passed("map", text)]
    return [failed("map", text, "take an extract with `highway` ways that cars may use")]


def check_coverage(seen: Observation, settings: Settings) -> list[Finding]:
    """Where others see the vehicle lies on the map, near a road."""
    city = seen.map
    if city is None or city.error:
        return []
    if seen.fixes and not city.on_earth:
        text = "fixes come, and the map has no place on Earth"
        return [warned("map coverage", text, "give an OpenStreetMap, or leave the fixes out")]
    found = [_coverage(city, *place) for place in city.places]
    return found or [passed("map coverage", "nobody says where the vehicle is: any place will do")]


def _coverage(city: MapSeen, name: str, x: float, y: float, road_m: float) -> Finding:
    check = f"map coverage of {name}"
    text = f"({x:.0f}, {y:.0f}) m"
    if Bounds(*city.bounds).off(x, y) > 0.0:
        min_x, min_y, max_x, max_y = city.bounds
        bounds = f"{min_x:.0f}..{max_x:.0f}, {min_y:.0f}..{max_y:.0f} m"
        return failed(check, f"{text} is off the map ({bounds})", "take a map of that place")
    if not city.occupancy and road_m > ROAD_NEAR_M:
        text += f" is {road_m:.0f} m from every road"
        return warned(check, text, "take a map of that place, or check its age")
    return passed(
        check, f"{text} is on the map" + ("" if city.occupancy else f", {road_m:.0f} m from a road")
    )


def check_device(seen: Observation, settings: Settings) -> list[Finding]:
    """Torch is there, and the wanted device."""
    machine = seen.machine
    if not machine.torch:
        return [
            failed("device", "torch cannot be imported", "pip install -r setup/requirements.txt")
        ]
    text = f"torch {machine.torch}, {machine.cuda or 'no CUDA device'}"
    if settings.runtime.device == "cuda" and not machine.cuda:
        remedy = "it will run on the CPU; set runtime.device to auto, or install CUDA's torch"
        return [warned("device", text, remedy)]
    return [passed("device", text)]


def check_weights(seen: Observation, settings: Settings) -> list[Finding]:
    """The camera's network can be read."""
    machine = seen.machine
    if not settings.camera.enabled or not machine.weights:
        return []
    if machine.weights_error:
        what, _, remedy = machine.weights_error.partition("; ")
        remedy = remedy or "set camera.weights to a file of `mdps train`, or to nothing"
        return [failed("weights", what, remedy)]
    return [passed("weights", f"{machine.weights}, sha256 {machine.weights_sha256[:12]}")]


def check_transport(seen: Observation, settings: Settings) -> list[Finding]:
    """Images fit into the shared memory of Fast DDS; of a bag this does not matter."""
    if not seen.live or not wants_images(settings):
        return []
    machine, size = seen.machine, 0 if seen.image is None else seen.image.size_bytes
    segment = machine.segment_bytes or DEFAULT_SEGMENT_BYTES
    text = f"a segment of {segment / 1e6:.1f} MB"
    text += f", an image of {size / 1e6:.2f} MB" if size else ""
    if machine.transport and not machine.segment_bytes:
        text = f"{machine.transport} sets no shared-memory segment"
        return [warned("transport", text, PROFILE)]
    if segment < 2 * max(size, DEFAULT_SEGMENT_BYTES // 2):
        return [warned("transport", text, f"{PROFILE}; images get lost otherwise")]
    if not machine.transport and not size:
        return [warned("transport", "no Fast DDS profile is set", PROFILE)]
    return [passed("transport", text)]


def check_node(seen: Observation, settings: Settings) -> list[Finding]:
    """Our node runs and is active."""
    if not seen.live:
        return []
    if seen.node is None:
        text = "no localization node is in sight"
        return [
            warned("node", text, "start it: `ros2 launch mdps_ros localization.launch.py map:=...`")
        ]
    if seen.node.state == "unconfigured":
        return [_unconfigured(seen.node, seen.map)]
    if seen.node.state != "active":
        text = f"{seen.node.name} is {seen.node.state or 'silent'}"
        return [
            warned("node", text, f"`ros2 lifecycle set {seen.node.name} activate`, or read its log")
        ]
    return [_pace(seen.node)]


def _pace(node: NodeSeen) -> Finding:
    """An active node keeps up with what comes."""
    text, pace = f"{node.name} is active", node.pace
    if pace is None:
        return passed("node", text)
    text += f"; {pace.used} frames used, {pace.dropped} dropped"
    if pace.behind_s > BEHIND_S:
        return warned("node", f"{text}, {pace.behind_s:.1f} s behind the odometry", LESS_WORK)
    if pace.dropped > MOST_DROPPED * max(pace.used + pace.dropped, MANY):
        remedy = "read its log or `/diagnostics` for why; docs/troubleshooting.md has each reason"
        return warned("node", text, remedy)
    return passed("node", text)


def _unconfigured(node: NodeSeen, city: MapSeen | None) -> Finding:
    """It waits for somebody to configure it, or could not be configured."""
    text, then = f"{node.name} is unconfigured", f"`ros2 lifecycle set {node.name} configure`"
    then += f" and `ros2 lifecycle set {node.name} activate`"
    change = f"`ros2 param set {node.name}"
    try:
        with_values(Settings(), node.parameters)
    except SettingsError as error:
        return failed("node", f"{text}: {error}", f"{change} NAME VALUE`, then {then}")
    if node.parameters.get("node.map") == "":
        why = f"{text}: its parameter node.map is empty"
        return failed("node", why, f"{change} node.map FILE`, then {then}")
    if city is not None and city.error:
        why = f"{text}, and the map cannot be used"
        return failed("node", why, f"{change} node.map FILE`, then {then}")
    return warned("node", text, f"{then}; its log says why, where that has failed before")
