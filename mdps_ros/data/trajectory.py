"""Trajectory files in the format of the TUM RGB-D benchmark, as `evo` reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mdps_ros.data.errors import DataError


def write_tum(path: str | Path, stamps_ns: NDArray[np.int64], poses: NDArray[np.float64]) -> None:
    """Write planar poses: `stamp x y z qx qy qz qw` per line, stamp in s with 9 decimals.

    Args:
        path: file to write.
        stamps_ns: (T,) int64 ns, not negative.
        poses: (T, 3) x m, y m, yaw rad.

    Raises:
        ValueError: stamps and poses differ in number.
    """
    if poses.shape != (len(stamps_ns), 3):
        raise ValueError(f"{len(stamps_ns)} stamps for poses of shape {poses.shape}")
    lines = []
    for stamp, (x, y, yaw) in zip(stamps_ns.tolist(), poses.tolist(), strict=True):
        seconds, nanoseconds = divmod(stamp, 1_000_000_000)
        lines.append(
            f"{seconds}.{nanoseconds:09d} {x:.9f} {y:.9f} 0 0 0 "
            f"{np.sin(yaw / 2):.12f} {np.cos(yaw / 2):.12f}\n"
        )
    Path(path).write_text("".join(lines), "utf8")


def read_tum(path: str | Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Read a TUM trajectory as planar poses.

    Args:
        path: file with 8 columns; lines that begin with # are comments.

    Returns:
        (T,) int64 ns, and (T, 3) x m, y m, yaw rad in (-pi, pi].

    Raises:
        DataError: the file is missing or has another form.
    """
    path = Path(path)
    stamps, rows = [], []
    try:
        for line in path.read_text("utf8").splitlines():
            if not line.strip() or line.startswith("#"):
                continue
            first, *rest = line.split()
            # Through text: a float64 does not hold nanoseconds of the present age.
            seconds, _, decimals = first.partition(".")
            stamps.append(int(seconds) * 1_000_000_000 + int(f"{decimals:0<9.9}"))
            x, y, _, qx, qy, qz, qw = (float(value) for value in rest)
            yaw = np.arctan2(2 * (qw * qz + qx * qy), 1 - 2 * (qy * qy + qz * qz))
            rows.append((x, y, yaw))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no TUM trajectory ({error}); name another file") from error
    return np.array(stamps, dtype=np.int64), np.array(rows, dtype=np.float64).reshape(-1, 3)
