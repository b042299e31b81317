"""A session raises on no data: whatever comes, it answers with outputs that are sound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mdps_ros.notes import Note
from mdps_ros.runtime.events import (
    DepthImageEvent,
    GlobalStartEvent,
    InitialPoseEvent,
    OdometryEvent,
    PinholeCamera,
    PlaceEvent,
    UpdateNowEvent,
)
from mdps_ros.runtime.outputs import ParticleSnapshot, PoseEstimate
from mdps_ros.runtime.session import Session
from test.runtime.town import MOUNT, answers, fast_settings

SECOND = 1_000_000_000
stamps = st.one_of(
    st.integers(0, 20).map(lambda tenths: tenths * SECOND // 10), st.integers(-SECOND, 2**62)
)
lengths = st.one_of(st.floats(-50, 50), st.floats(-1e7, 1e7))
yaws = st.one_of(st.floats(-4, 4), st.floats(-1e4, 1e4))
poses = st.tuples(lengths, lengths, yaws).map(np.array)
pixels = st.one_of(st.floats(-1, 40, width=32), st.sampled_from([0.0, np.inf, -np.inf, 1e30]))
cameras = st.builds(
    PinholeCamera,
    width=st.integers(0, 9),
    height=st.integers(0, 9),
    fx=st.floats(0.1, 1e4),
    fy=st.floats(0.1, 1e4),
    cx=st.floats(-10, 1e3),
    cy=st.floats(-10, 1e3),
)
events = st.one_of(
    st.builds(OdometryEvent, stamp_ns=stamps, T_odom_base=poses),
    st.builds(OdometryEvent, stamp_ns=stamps, T_odom_base=poses),
    st.builds(
        DepthImageEvent,
        stamp_ns=stamps,
        depth=arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=pixels),
        camera=cameras,
        T_base_camera=st.sampled_from([MOUNT, np.eye(4), MOUNT @ np.diag([1.0, -1, -1, 1])]),
    ),
    st.builds(
        InitialPoseEvent,
        stamp_ns=stamps,
        T_map_base=poses,
        covariance=arrays(np.float64, (3, 3), elements=st.floats(-1e6, 1e6)),
    ),
    st.builds(
        PlaceEvent,
        stamp_ns=stamps,
        name=st.sampled_from(["fix", "pose_prior"]),
        T_map_base=poses,
        covariance=arrays(np.float64, (3, 3), elements=st.floats(-1e6, 1e6)),
        with_yaw=st.booleans(),
    ),
    st.just(UpdateNowEvent()),
    st.builds(
        GlobalStartEvent,
        heading=st.one_of(st.none(), st.tuples(st.floats(-20, 20), st.floats(0, 10))),
    ),
)


def check_sound(outputs) -> None:
    for output in outputs:
        if isinstance(output, Note):
            assert output.text
            assert np.isfinite(list(output.data.values())).all()
        elif isinstance(output, PoseEstimate):
            assert np.isfinite(output.T_map_base).all()
            assert np.isfinite(output.covariance).all()
            assert 0 < sum(mode.mass for mode in output.modes) <= 1 + 1e-4
        elif isinstance(output, ParticleSnapshot):
            assert np.isfinite(output.poses).all()
            assert output.weights.sum() == pytest.approx(1.0, abs=1e-3)


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.booleans(), st.lists(events, max_size=12), st.sampled_from([0.0, 2.0]))
def test_odd_data_never_raises_and_outputs_stay_sound(
    town, floor, on_floor, given_events, distance
) -> None:
    wanted = fast_settings(
        depth__enabled=True,
        depth__points=16,
        filter__particles_min=20,
        filter__particles_max=100,
        filter__update_distance=distance,
        runtime__image_wait=3,
        runtime__odometry_buffer=1.0,
    )
    check_sound(answers(Session(floor if on_floor else town, wanted), given_events))
