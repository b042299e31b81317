"""Which KITTI odometry material lies in a folder, and plain readers of its text files.

Nothing depends on the names of the sequences: they are found by listing files.

    poses/XX.txt          3x4 [R|t] of camera 0 per frame (x right, y down, z forward)
    poses/times_XX.txt    seconds per frame; 0.1037 s apart where the file is absent
    rtk/*_XX.kml          RTK-GPS track of the raw drive, lon,lat,alt
    osm/*_XX.osm          map around the sequence
    visual_odometry/*     pose files of visual odometry, 12 columns, or 13 with the frame first
    depth_XX/             *.zip with NNNNNN.png and ground_calibration.csv
    calib/XX.txt          projection matrices as in the benchmark (optional)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mdps_ros.data.errors import DataError

FRAME_PERIOD_S = 0.1037
"""Mean time between frames of the benchmark, for sequences without a file of times."""

_METRIC_ODOMETRY = (
    r"orbslam2_stereo_{s}_trial\d+",
    r".*SPTAM.*_{s}|.*_{s}_SPTAM",
    r".*example_1_{s}",
)
"""Names of visual odometry with true scale, best first; scale-free results match none."""

# Rectified gray camera of the benchmark: sequences -> (focal length, cx, cy), pixels.
_INTRINSICS = (
    (("00", "01", "02"), (718.856, 607.1928, 185.2157)),
    (("03",), (721.5377, 609.5593, 172.854)),
    (("04", "05", "06", "07", "08", "09", "10"), (707.0912, 601.8873, 183.1104)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceFiles:
    """The files of one sequence; None where there is none.

    Attributes:
        name: two digits in the benchmark, any word here.
        poses: ground truth of camera 0.
        times: seconds per frame.
        rtk: GPS track.
        osm: map.
        odometry: visual odometry with true scale.
        depth: folder with depth images.
        calibration: projection matrices.
    """

    name: str
    poses: Path
    times: Path | None
    rtk: Path | None
    osm: Path | None
    odometry: Path | None
    depth: Path | None
    calibration: Path | None


def find_sequences(root: str | Path) -> dict[str, SequenceFiles]:
    """List the sequences of a folder.

    Args:
        root: the `kitti` folder, or the one that holds it.

    Returns:
        name -> files, in the order of the names.

    Raises:
        DataError: the folder holds no ground-truth poses.
    """
    base = _base(Path(root))
    names = sorted(
        p.stem for p in (base / "poses").glob("*.txt") if not p.stem.startswith("times_")
    )
    if not names:
        raise DataError(
            f"no KITTI poses: {root} holds neither kitti/poses/*.txt nor poses/*.txt; "
            "name the folder that does"
        )
    return {name: _files(base, name) for name in names}


def map_files(root: str | Path) -> list[Path]:
    """Every OpenStreetMap file of the folder's `osm/`, also of places without a sequence."""
    folder = _base(Path(root)) / "osm"
    return sorted(p for p in folder.glob("*") if re.fullmatch(r".*\.osm(\.pbf)?", p.name))


def _base(root: Path) -> Path:
    return root / "kitti" if (root / "kitti" / "poses").is_dir() else root


def _files(base: Path, name: str) -> SequenceFiles:
    depth = base / f"depth_{name}"
    return SequenceFiles(
        name=name,
        poses=base / "poses" / f"{name}.txt",
        times=_existing(base / "poses" / f"times_{name}.txt"),
        rtk=_first(base / "rtk", rf".*_{re.escape(name)}\.kml"),
        osm=_first(base / "osm", rf".*_{re.escape(name)}\.osm(\.pbf)?"),
        odometry=_odometry_file(base / "visual_odometry", name),
        depth=depth if (depth / "ground_calibration.csv").is_file() else None,
        calibration=_existing(base / "calib" / f"{name}.txt"),
    )


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def _first(folder: Path, pattern: str) -> Path | None:
    """First file, by name, whose whole name matches."""
    if not folder.is_dir():
        return None
    return next((p for p in sorted(folder.iterdir()) if re.fullmatch(pattern, p.name)), None)


def _odometry_file(folder: Path, name: str) -> Path | None:
    patterns = (pattern.format(s=re.escape(name)) for pattern in _METRIC_ODOMETRY)
    found = (_first(folder, rf"({pattern})\.txt") for pattern in patterns)
    return next((path for path in found if path is not None), None)


def read_poses(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Read a KITTI pose file.

    Args:
        path: rows of 12 numbers (3x4, row by row), or 13 with the frame number first.

    Returns:
        (T,) frame numbers and (T, 4, 4) poses, first frame <- camera.

    Raises:
        DataError: the file is missing, empty or has another shape.
    """
    table = read_table(path)
    if table.shape[1] not in (12, 13):
        raise DataError(f"{path} has {table.shape[1]} columns; KITTI poses have 12 or 13")
    frames = np.arange(len(table), dtype=np.int64)
    if table.shape[1] == 13:
        frames = table[:, 0].astype(np.int64)
        if (np.diff(frames) <= 0).any():
            raise DataError(f"{path}: frame numbers in column 1 do not rise; sort the rows")
    poses = np.tile(np.eye(4), (len(table), 1, 1))
    poses[:, :3] = table[:, -12:].reshape(-1, 3, 4)
    return frames, poses


def read_times(files: SequenceFiles, count: int) -> NDArray[np.float64]:
    """(count,) s, time of each frame from the first; evenly spaced where there is no file.

    Raises:
        DataError: the file has another number of rows.
    """
    if files.times is None:
        return np.arange(count, dtype=np.float64) * FRAME_PERIOD_S
    times = read_table(files.times)[:, 0]
    if len(times) != count:
        raise DataError(f"{files.times} has {len(times)} rows for {count} poses; fetch it again")
    return times


def read_rtk(path: Path) -> NDArray[np.float64]:
    """Read the track of a KML file.

    Returns:
        (P, 3) latitude deg, longitude deg, altitude m.

    Raises:
        DataError: the file holds no coordinates.
    """
    match = re.search(r"<coordinates>(.*?)</coordinates>", path.read_text("utf8"), re.DOTALL)
    try:
        rows = [[float(v) for v in row.split(",")] for row in match[1].split()] if match else []
        track = np.array(rows, dtype=np.float64).reshape(-1, 3)
    except ValueError as error:
        raise DataError(f"{path}: coordinates are not lon,lat,alt; fetch it again") from error
    if len(track) == 0:
        raise DataError(f"{path} holds no <coordinates>; fetch it again")
    return track[:, [1, 0, 2]]


def read_intrinsics(files: SequenceFiles) -> tuple[float, float, float] | None:
    """Focal length, cx and cy of camera 0 in pixels; None where nothing says them.

    The file `calib/XX.txt` counts, then the benchmark's table for sequences 00 to 10.
    """
    if files.calibration is not None:
        for line in files.calibration.read_text("utf8").splitlines():
            if line.startswith("P0:"):
                p = [float(v) for v in line.split()[1:]]
                return p[0], p[2], p[6]
        raise DataError(f"{files.calibration} has no line P0:; fetch it again")
    return next((values for names, values in _INTRINSICS if files.name in names), None)


def read_matrices(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    """Read the named rows `NAME: number ...` of a calibration.

    Raises:
        DataError: the file is missing, or lacks a row.
    """
    rows: dict[str, NDArray[np.float64]] = {}
    try:
        for line in path.read_text("utf8").splitlines():
            name, _, values = line.partition(":")
            if name in names:
                rows[name] = np.array(values.split(), dtype=np.float64)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the calibration {path} ({error}); fetch it") from error
    missing = [name for name in names if name not in rows]
    if missing:
        raise DataError(f"{path} has no row {', '.join(missing)}; fetch it again")
    return rows


def read_table(path: Path) -> NDArray[np.float64]:
    """Read rows of numbers, (R, C).

    Raises:
        DataError: the file is missing, empty, or holds something else.
    """
    try:
        lines = path.read_text("utf8").splitlines()
        if not any(line.strip() for line in lines):
            raise DataError(f"{path} is empty; fetch it again")
        table: NDArray[np.float64] = np.loadtxt(lines, dtype=np.float64, ndmin=2)
    except DataError:
        raise
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no table of numbers ({error}); fetch it again") from error
    return table
