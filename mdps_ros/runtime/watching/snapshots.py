"""Which particle snapshots of a run to keep for its report, and how to thin them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdps_ros.runtime.outputs import ParticleSnapshot

SNAPSHOT_PARTICLES = 2000
"""At most this many particles of a snapshot are kept."""
PAUSE_MIN_S = 0.5
PAUSE_MAX_S = 10.0
PAUSE_GROWTH = 0.15
"""The pause to the next snapshot is this share of the run so far, between the two above."""


def resample_evenly(
    snapshot: ParticleSnapshot, count: int = SNAPSHOT_PARTICLES
) -> ParticleSnapshot:
    """At most `count` particles of equal weight that stand for the snapshot.

    Systematic resampling (Kitagawa 1996) with the fixed offset one half: no random numbers, so
    equal input gives equal output.

    Args:
        snapshot: weights of any sum above zero.
        count: how many particles to keep.
    """
    total = np.cumsum(snapshot.weights, dtype=np.float64)
    count = min(count, len(total))
    wanted = (np.arange(count) + 0.5) / count * total[-1]
    chosen = np.searchsorted(total, wanted, side="right")
    return ParticleSnapshot(
        stamp_ns=snapshot.stamp_ns,
        poses=snapshot.poses[chosen],
        weights=np.full(count, 1.0 / count, np.float32),
    )


def row_of_snapshot(snapshot: ParticleSnapshot) -> dict[str, Any]:
    """JSON-ready row of an evenly weighted snapshot: stamp_ns and poses [x m, y m, yaw rad]."""
    return {
        "stamp_ns": snapshot.stamp_ns,
        "poses": np.round(snapshot.poses.astype(np.float64), 3).tolist(),
    }


class SnapshotPicker:
    """Keeps few snapshots of a run: densely while a global belief shrinks, then every 10 s.

    Attributes:
        kept: thinned snapshots, in the order in which they were offered.
    """

    def __init__(self) -> None:
        self.kept: tuple[ParticleSnapshot, ...] = ()

    def offer(self, snapshot: ParticleSnapshot) -> ParticleSnapshot | None:
        """Keep a thinned copy when its time has come, and return it; else None."""
        if not self.due(snapshot.stamp_ns):
            return None
        thinned = resample_evenly(snapshot)
        self.kept = (*self.kept, thinned)
        return thinned

    def due(self, stamp_ns: int) -> bool:
        """Whether a snapshot of this stamp would be kept."""
        if not self.kept:
            return True
        first, last = self.kept[0].stamp_ns, self.kept[-1].stamp_ns
        pause_s = min(max(PAUSE_GROWTH * (last - first) * 1e-9, PAUSE_MIN_S), PAUSE_MAX_S)
        # A stamp from before the last one belongs to another run, such as a bag that loops.
        return stamp_ns < last or stamp_ns - last >= pause_s * 1e9
