"""All checks of a set-up, in the order in which one would look."""

from __future__ import annotations

from collections.abc import Callable

from mdps_ros.runtime.checkup import camera, place, topics
from mdps_ros.runtime.checkup.finding import Finding
from mdps_ros.runtime.checkup.observation import Observation
from mdps_ros.settings import Settings

Check = Callable[[Observation, Settings], list[Finding]]

CHECKS: tuple[Check, ...] = (
    place.check_node,
    topics.check_presence,
    topics.check_qos,
    topics.check_rates,
    topics.check_stamps,
    topics.check_synchrony,
    topics.check_motion,
    camera.check_encoding,
    camera.check_intrinsics,
    camera.check_distortion,
    camera.check_mount,
    place.check_map,
    place.check_coverage,
    place.check_device,
    place.check_weights,
    place.check_transport,
)


def examine(seen: Observation, settings: Settings) -> list[Finding]:
    """Judge what was seen; a check that does not apply says nothing."""
    return [finding for check in CHECKS for finding in check(seen, settings)]
