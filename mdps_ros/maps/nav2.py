"""Occupancy maps of nav2's map_server: a YAML file and an image.

Thresholds and modes follow nav2_map_server's `map_io`: trinary, scale and raw. Occupied cells
become the layer `building`, free ones `free`; unknown cells, and the values between in scale and
raw mode, set no layer.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from mdps_ros.core.mapdata import LAYERS, Bounds, RasterTile, Streetscape
from mdps_ros.maps.errors import MapError, MapHeaderError
from mdps_ros.maps.map import Map
from mdps_ros.maps.raster import raster_shape
from mdps_ros.maps.roads import empty_network

UNKNOWN, FREE, OCCUPIED = 0, 1, 2
_MODES = ("trinary", "scale", "raw")


class GridHeader(NamedTuple):
    """What the YAML file says."""

    image: Path
    mode: str
    resolution: float  # m per cell
    origin: tuple[float, float, float]  # m, m, rad: pose of the lower-left corner
    negate: bool
    occupied_threshold: float
    free_threshold: float


class GridCells:
    """Draws windows of an occupancy grid that may be turned against the map frame."""

    def __init__(
        self,
        states: NDArray[np.uint8],
        resolution: float,
        origin: tuple[float, float, float],
    ) -> None:
        """Keep the grid.

        Args:
            states: (rows, columns) of UNKNOWN, FREE or OCCUPIED, row 0 at the grid's bottom.
            resolution: m per cell.
            origin: x m, y m, yaw rad of the grid's lower-left corner in the map frame.
        """
        self._states = states
        self._resolution = resolution
        self._origin = origin

    @property
    def bounds(self) -> Bounds:
        """Axis-aligned box around the grid, m."""
        x, y, yaw = self._origin
        rows, columns = self._states.shape
        u = np.array([0.0, columns, columns, 0.0]) * self._resolution
        v = np.array([0.0, 0.0, rows, rows]) * self._resolution
        corner_x = x + np.cos(yaw) * u - np.sin(yaw) * v
        corner_y = y + np.sin(yaw) * u + np.cos(yaw) * v
        return Bounds(*(float(f(c)) for f in (np.min, np.max) for c in (corner_x, corner_y)))

    def rasterise(self, window: Bounds, resolution: float) -> RasterTile:
        """Draw a window; a cell coarser than the grid is occupied if any sample in it is.

        Args:
            window: the box, m in the map frame.
            resolution: m per cell.

        Returns:
            The raster, row 0 at the south edge.

        Raises:
            MapError: the raster would not fit into 2 GiB.
        """
        rows, columns = raster_shape(window, resolution)
        # Samples no further apart than the grid's cells cannot miss a wall of one cell.
        samples = max(1, int(np.ceil(resolution / self._resolution - 1e-6)))
        offsets = (np.arange(samples) + 0.5) / samples
        occupied = np.zeros((rows, columns), np.bool_)
        free = np.zeros((rows, columns), np.bool_)
        for dy in offsets:
            y = window.min_y + (np.arange(rows) + dy) * resolution
            for dx in offsets:
                x = window.min_x + (np.arange(columns) + dx) * resolution
                states = self._sample(x[None, :], y[:, None])
                occupied |= states == OCCUPIED
                free |= states == FREE
        layers = np.zeros((len(LAYERS), rows, columns), np.uint8)
        layers[LAYERS.index("building")] = occupied
        layers[LAYERS.index("free")] = free & ~occupied
        return RasterTile(layers, (window.min_x, window.min_y), resolution)

    def _sample(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.uint8]:
        origin_x, origin_y, yaw = self._origin
        dx, dy = x - origin_x, y - origin_y
        column = np.floor((np.cos(yaw) * dx + np.sin(yaw) * dy) / self._resolution)
        row = np.floor((np.cos(yaw) * dy - np.sin(yaw) * dx) / self._resolution)
        rows, columns = self._states.shape
        inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
        index = (np.where(inside, row, 0).astype(int), np.where(inside, column, 0).astype(int))
        return np.where(inside, self._states[index], UNKNOWN)


def grid_map(path: Path, *, resolution: float | None = None) -> Map:
    """Load an occupancy map. It has no anchor, no roads and no building footprints.

    Args:
        path: the YAML file; the image it names lies relative to it.
        resolution: m per cell of the tiles; None takes the grid's own.

    Raises:
        MapError: the YAML or the image cannot be used.
    """
    header = read_header(path)
    states = classify(_read_image(header.image, path), header)[::-1]
    cells = GridCells(np.ascontiguousarray(states), header.resolution, header.origin)
    digest = hashlib.sha256(b"mdps-grid-1")
    digest.update(repr((states.shape, header.resolution, header.origin)).encode())
    digest.update(np.ascontiguousarray(states).tobytes())
    return Map(
        id=digest.hexdigest(),
        name=path.name,
        anchor=None,
        bounds=cells.bounds,
        roads=empty_network(),
        buildings=(),
        unknown_heights=0,
        streetscape=Streetscape(),
        cells=cells,
        resolution=header.resolution if resolution is None else resolution,
    )


def read_header(path: Path) -> GridHeader:
    """Read and check the YAML file; MapHeaderError with the remedy where something is wrong."""
    if not path.is_file():
        raise MapHeaderError(f"{path}: no such map file; check the path")
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise MapHeaderError(f"{path}: not a YAML file ({reason}); save the map again") from error
    needed = ("image", "resolution", "origin", "occupied_thresh", "free_thresh")
    missing = [key for key in needed if not isinstance(fields, dict) or key not in fields]
    if missing:
        raise MapHeaderError(f"{path}: lacks {', '.join(missing)}; add what map_saver_cli writes")
    mode = str(fields.get("mode", "trinary"))
    if mode not in _MODES:
        raise MapHeaderError(f"{path}: unknown mode '{mode}'; use one of {', '.join(_MODES)}")
    try:
        origin = tuple(float(value) for value in fields["origin"])
        header = GridHeader(
            image=path.parent / str(fields["image"]),
            mode=mode,
            resolution=float(fields["resolution"]),
            origin=(origin[0], origin[1], origin[2]),
            negate=bool(int(fields.get("negate", 0))),
            occupied_threshold=float(fields["occupied_thresh"]),
            free_threshold=float(fields["free_thresh"]),
        )
    except (TypeError, ValueError, IndexError) as error:
        raise MapHeaderError(
            f"{path}: bad value ({error}); origin is [x, y, yaw] and the others are numbers"
        ) from error
    if not (np.isfinite(header.origin).all() and 1e-3 <= header.resolution <= 10.0):
        raise MapHeaderError(f"{path}: origin or resolution out of range; resolution is m per cell")
    if not 0.0 <= header.free_threshold <= header.occupied_threshold <= 1.0:
        raise MapHeaderError(
            f"{path}: thresholds must obey 0 <= free_thresh <= occupied_thresh <= 1"
        )
    return header


def classify(pixels: NDArray[np.float64], header: GridHeader) -> NDArray[np.uint8]:
    """Pixels to states.

    Args:
        pixels: (rows, columns, 4) red, green, blue, alpha in [0, 1], row 0 at the top.
        header: mode and thresholds.

    Returns:
        (rows, columns) of UNKNOWN, FREE or OCCUPIED.
    """
    # map_server averages alpha in with the colours in trinary mode only.
    opaque = bool((pixels[..., 3] == 1.0).all())
    channels = 4 if header.mode == "trinary" and not opaque else 3
    shade = pixels[..., :channels].mean(axis=-1)
    if header.mode == "raw":
        percent = np.round(shade * 255.0)
        known = percent <= 100.0
        occupancy = percent / 100.0
    else:
        known = (pixels[..., 3] == 1.0) | (header.mode == "trinary")
        occupancy = shade if header.negate else 1.0 - shade
    # The bound itself counts in raw mode, where 0 and 100 are the usual thresholds' meaning.
    if header.mode == "raw":
        occupied = occupancy >= header.occupied_threshold
        free = occupancy <= header.free_threshold
    else:
        occupied = occupancy > header.occupied_threshold
        free = occupancy < header.free_threshold
    states = np.where(occupied, OCCUPIED, np.where(free, FREE, UNKNOWN))
    return np.where(known, states, UNKNOWN).astype(np.uint8)


def _read_image(path: Path, named_in: Path) -> NDArray[np.float64]:
    if not path.is_file():
        raise MapError(f"{named_in}: its image {path} is missing; put it there or mend `image:`")
    try:
        with Image.open(path) as image:
            return _to_rgba(image)
    except (OSError, SyntaxError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise MapError(f"{path}: truncated or not an image ({reason}); save the map again") from (
            error
        )


def _to_rgba(image: Any) -> NDArray[np.float64]:
    if image.mode.startswith("I"):  # 16 bit gray
        gray = np.asarray(image, dtype=np.float64) / 65535.0
        return np.stack([gray, gray, gray, np.ones_like(gray)], axis=-1)
    return np.asarray(image.convert("RGBA"), dtype=np.float64) / 255.0
