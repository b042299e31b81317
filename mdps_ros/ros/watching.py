"""What the diagnostics of a configured node watch over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdps_ros.notes import Severity
from mdps_ros.ros import topics
from mdps_ros.runtime.device import choose_device
from mdps_ros.runtime.health import Condition, Expected
from mdps_ros.settings import Settings

if TYPE_CHECKING:
    from mdps_ros.maps import Map


def watched(settings: Settings, city: Map) -> tuple[tuple[Expected, ...], tuple[Condition, ...]]:
    """Odometry has to come; images where a camera is switched on; map and device are facts."""
    gap, timeout = settings.runtime.max_odometry_gap, settings.runtime.camera_timeout
    inputs = [Expected(topics.ODOMETRY.name, gap, Severity.ERROR)]
    if settings.depth.enabled or settings.camera.enabled:
        inputs.append(Expected(topics.IMAGE.name, timeout, Severity.WARN))
        inputs.append(Expected(topics.CAMERA_INFO.name, timeout, Severity.WARN))
    return tuple(inputs), (_map(city), _device(settings))


def _map(city: Map) -> Condition:
    bounds = city.bounds
    values = {
        "id": city.id,
        "name": city.name,
        "size [m]": f"{bounds.width:.0f} x {bounds.height:.0f}",
        "road [m]": f"{city.roads.lengths.sum():.0f}",
    }
    return Condition("map", Severity.INFO, "loaded", values)


def _device(settings: Settings) -> Condition:
    device, notes = choose_device(settings.runtime.device)
    values = {"device": str(device), "wanted": settings.runtime.device}
    severity = max((note.severity for note in notes), default=Severity.INFO)
    text = "; ".join(note.text for note in notes) or f"running on {device}"
    return Condition("device", severity, text, values)
