"""What a checkup wants to know beside the messages: the map, and this machine."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from mdps_ros.maps import Map
from mdps_ros.runtime.checkup.observation import MachineSeen, MapSeen, PlaceSeen
from mdps_ros.settings import Settings

PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
SEGMENT = re.compile(r"<segment_size>\s*(\d+)\s*</segment_size>")


def see_map(
    city: Map,
    fixes: Iterable[tuple[float, float]],
    poses: Mapping[str, tuple[float, float]],
) -> MapSeen:
    """A map, with the places on it where others see the vehicle.

    Args:
        city: the map.
        fixes: (latitude, longitude), degrees.
        poses: name -> (x, y) m in the map frame.
    """
    places = [_place(city, name, x, y) for name, (x, y) in poses.items()]
    if city.anchor is not None:
        for number, (latitude, longitude) in enumerate(fixes, start=1):
            if abs(latitude) <= 90.0 and abs(longitude) <= 180.0:
                x, y = (float(v) for v in city.anchor.to_map(latitude, longitude)[0])
                places.append(_place(city, f"fix {number}", x, y))
    return MapSeen(
        name=city.name,
        bounds=tuple(float(value) for value in city.bounds),  # type: ignore[arg-type]
        road_m=city.drivable_length,
        occupancy=city.anchor is None and city.roads.count == 0,
        on_earth=city.anchor is not None,
        places=tuple(places),
    )


def _place(city: Map, name: str, x: float, y: float) -> PlaceSeen:
    return PlaceSeen(name, x, y, road_distance(city, x, y))


def road_distance(city: Map, x: float, y: float) -> float:
    """Distance from a point to the nearest centreline, m; infinite without roads."""
    roads = city.roads
    if roads.count == 0:
        return math.inf
    along, to_point = roads.end - roads.start, np.array([x, y]) - roads.start
    share = np.clip((along * to_point).sum(axis=1) / (along**2).sum(axis=1), 0.0, 1.0)
    return float(np.hypot(*(to_point - share[:, None] * along).T).min())


def see_machine(settings: Settings, environment: Mapping[str, str] = os.environ) -> MachineSeen:
    """Torch, GPU, the network's file and the DDS profile of this machine."""
    transport, segment = _profile(environment)
    try:
        import torch
    except ImportError:  # without it the rest of the package says nothing, either
        return MachineSeen(transport=transport, segment_bytes=segment)
    weights, digest, error = _weights(settings)
    return MachineSeen(
        torch=torch.__version__,
        cuda=torch.cuda.get_device_name(0) if torch.cuda.is_available() else "",
        weights=weights,
        weights_sha256=digest,
        weights_error=error,
        transport=transport,
        segment_bytes=segment,
    )


def _weights(settings: Settings) -> tuple[str, str, str]:
    """File of the camera's network, its digest, and why it cannot be used."""
    from mdps_ros.models.camera.files import bundled_file, load_networks
    from mdps_ros.models.weights import WeightsError

    path = Path(settings.camera.weights) if settings.camera.weights else bundled_file()
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        load_networks(path)
    except (OSError, WeightsError) as error:
        return str(path), "", str(error)
    return str(path), digest, ""


def _profile(environment: Mapping[str, str]) -> tuple[str, int]:
    """Fast DDS profile file of an environment, and the segment that it sets, bytes."""
    named = next((environment[name] for name in PROFILE_VARIABLES if environment.get(name)), "")
    try:
        found = SEGMENT.search(Path(named).read_text(encoding="utf-8")) if named else None
    except OSError:
        found = None
    return named, int(found[1]) if found else 0
