"""Images of a drive are joined with what a run believed at their stamps."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mdps_ros.cli.bag_drive import open_drive
from mdps_ros.cli.looks import PAGE_LOOKS, enlarged, looks_of, page_looks
from mdps_ros.evaluation.run import collect_trace
from mdps_ros.runtime.events import DepthImageEvent, PinholeCamera
from mdps_ros.runtime.outputs import Mode, PoseEstimate, State
from mdps_ros.runtime.watching.projection import to_pixels
from mdps_ros.settings import Settings


@pytest.fixture(scope="module")
def drive(short_drive):
    return open_drive(short_drive, Settings())


@pytest.fixture(scope="module")
def trace(drive, helsinki):
    """A run that knows the truth at every second image."""
    truth = drive.truth(helsinki)
    images = [event for _, event in drive.events() if isinstance(event, DepthImageEvent)]
    estimates = []
    for event in images[::2]:
        pose = truth.at(np.array([event.stamp_ns]))[0]
        mode = Mode(T_map_base=pose, covariance=np.eye(3), mass=0.95)
        estimates.append(
            PoseEstimate(
                stamp_ns=event.stamp_ns,
                T_map_base=pose,
                covariance=np.eye(3),
                modes=(mode,),
                state=State.TRACKING,
                particles=10,
                effective_particles=10.0,
                travelled=float(len(estimates)),
                scale=(0.0, 0.0),
                yaw_bias=(0.0, 0.0),
                measurements=(),
            )
        )
    return collect_trace(estimates, truth)


def test_images_without_an_estimate_of_their_own_are_passed_over(drive, trace, helsinki):
    looks = looks_of(drive, trace, helsinki, 2.0)
    stamps = [look.stamp_ns for look in looks]
    assert set(stamps) <= set(trace.stamps_ns.tolist())
    assert len(stamps) > 5
    assert min(np.diff(stamps)) >= 2e9


def test_a_page_gets_few_pictures_with_captions(drive, trace, helsinki):
    looks = page_looks(drive, trace, helsinki)
    assert len(looks) == PAGE_LOOKS
    assert looks[0].caption.startswith("0 m: TRACKING, 95 % of the belief, ")
    assert looks[0].caption.endswith(" m off")
    picture = cv2.imdecode(np.frombuffer(looks[0].jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[0] >= 360
    assert (picture.max(axis=2).astype(int) - picture.min(axis=2) > 60).any()  # lines in colour


def test_an_enlarged_camera_sees_the_corners_of_pixels_where_they_were():
    camera = PinholeCamera(width=32, height=24, fx=20.0, fy=21.0, cx=15.5, cy=11.5)
    point = np.array([0.3, -0.2, 2.0])
    small, large = to_pixels(point, camera), to_pixels(point, enlarged(camera, 3))
    np.testing.assert_allclose(large + 0.5, 3.0 * (small + 0.5))
