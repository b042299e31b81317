"""A made-up run on a real map: a belief that starts everywhere and closes in on a car."""

import numpy as np
import pytest

from mdps_ros.evaluation import street_drives
from mdps_ros.evaluation.run import Track, collect_trace
from mdps_ros.maps import load_map
from mdps_ros.runtime.outputs import Mode, ParticleSnapshot, PoseEstimate, State


def loop_drive(length_m=1000.0, step_m=2.0):
    """Truth of a drive round a rounded block: stamps ns, poses (T, 3)."""
    s = np.arange(0.0, length_m, step_m)
    angle = s / 140.0
    x, y = 230.0 * np.cos(angle), 330.0 * np.sin(1.3 * angle)
    yaw = np.arctan2(np.gradient(y), np.gradient(x))
    return (1_000_000_000 + s / 8.0 * 1e9).astype(np.int64), np.stack([x, y, yaw], axis=1)


def outputs(seed=0, converge_m=240.0, length_m=1000.0):
    """What a session could have answered on `loop_drive`."""
    rng = np.random.default_rng(seed)
    stamps, truth = loop_drive(length_m)
    decoy = truth[0] + np.array([-350.0, 200.0, 2.0])
    for i, stamp in enumerate(stamps):
        travelled = 2.0 * i
        lost = max(0.0, 1.0 - travelled / converge_m)
        mass = 0.97 - 0.9 * lost
        spread = 0.4 + 250.0 * lost**2
        count = int(800 + 40_000 * lost**2)
        here = truth[i] + np.array([0.5, -0.3, 0.01]) * rng.normal(size=3)
        centre = np.where(rng.random((count, 1)) < mass, here, decoy + truth[i] - truth[0])
        poses = centre + rng.normal(size=(count, 3)) * [spread, spread, 0.05 + lost]
        deviation = np.array([spread, spread, 0.05 + lost])
        within = np.diag((0.2 * deviation) ** 2)
        modes = (
            Mode(T_map_base=here, covariance=within, mass=mass),
            Mode(
                T_map_base=decoy + truth[i] - truth[0],
                covariance=within,
                mass=0.6 * (1.0 - mass),
            ),
        )[: 1 if mass > 0.95 else 2]
        yield PoseEstimate(
            stamp_ns=int(stamp),
            T_map_base=here,
            covariance=np.diag(deviation**2),
            modes=modes,
            state=State.TRACKING if mass >= 0.9 else State.GLOBAL,
            particles=count,
            effective_particles=count / 2,
            travelled=travelled,
            scale=(0.01, 0.02),
            yaw_bias=(0.0, 0.001),
            measurements=("road",),
        )
        yield ParticleSnapshot(
            stamp_ns=int(stamp),
            poses=poses.astype(np.float32),
            weights=np.full(count, 1.0 / count, np.float32),
        )


@pytest.fixture(scope="session")
def helsinki():
    """The bundled map of the centre of Helsinki."""
    return load_map("helsinki")


@pytest.fixture(scope="session")
def run():
    """`outputs` collected, with the truth."""
    return collect_trace(outputs(), Track(*loop_drive()), seconds=1.5)


@pytest.fixture(scope="session")
def answers():
    """`outputs` as a list."""
    return list(outputs())


@pytest.fixture(scope="session")
def true_track():
    """Truth of `answers`."""
    return Track(*loop_drive())


@pytest.fixture(scope="module")
def short_drives():
    """Drives of 40 m through rendered streets, each rendered once for all tests of a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(street_drives, "LENGTH_M", 40.0)
        street_drives.recorded_drive.cache_clear()
        yield
        street_drives.recorded_drive.cache_clear()
