"""Dense search in a small town, with a camera whose scores are known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from mdps_ros.core.angles import wrap
from mdps_ros.evaluation import dense_search
from mdps_ros.evaluation.run import collect_trace
from mdps_ros.runtime.cameras import Look
from mdps_ros.runtime.events import ColourImageEvent, OdometryEvent, PinholeCamera
from mdps_ros.runtime.frames import compose
from mdps_ros.runtime.localizer import Motion
from mdps_ros.runtime.outputs import ParticleSnapshot, PoseEstimate, State
from mdps_ros.settings import with_values
from test.runtime.town import SECOND, fast_settings, town_map

START = np.array([-120.0, 19.0, 0.0])
SETTINGS = fast_settings(filter__update_distance=2.0)
LENS = PinholeCamera(width=4, height=2, fx=2.0, fy=2.0, cx=1.5, cy=0.5)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory):
    return town_map(tmp_path_factory.mktemp("town"))


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> dict[int, np.ndarray]:
    """Stamp -> the pose at which an image fits best, in place of a network."""
    seen: dict[int, np.ndarray] = {}

    class Cameras:
        def __init__(self, *_: object) -> None:
            pass

        def bind(self, image: ColourImageEvent) -> Look | None:
            best = torch.from_numpy(seen[image.stamp_ns]).float()

            def score(poses: torch.Tensor) -> torch.Tensor:
                off = poses - best
                position = off[..., :2].square().sum(-1) / 4.0
                return -0.5 * (position.clamp_max(40.0) + (wrap(off[..., 2]) / 0.2).square())

            return Look("camera", score, 2.0)

    monkeypatch.setattr(dense_search, "Cameras", Cameras)
    return seen


def drive(seen: dict[int, np.ndarray], count: int = 30) -> list:
    """2 m in 0.2 s each along a street and round a corner; an image just before each odometry."""
    pose, true, events = np.zeros(3), START, []
    for index in range(count):
        stamp = round((5.0 + 0.2 * index) * SECOND)
        seen[stamp] = true
        image = np.zeros((2, 4, 3), np.uint8)
        events.append(
            ColourImageEvent(stamp_ns=stamp, rgb=image, camera=LENS, T_base_camera=np.eye(4))
        )
        events.append(OdometryEvent(stamp_ns=stamp, T_odom_base=pose))
        step = np.array([2.0, 0.0, math.pi / 10 if 15 <= index < 20 else 0.0])
        pose, true = compose(pose, step), compose(true, step)
    return events


def test_the_vehicle_is_found_and_followed_to_a_cell(place, camera) -> None:
    outputs = list(dense_search.search(place, SETTINGS, drive(camera)))
    trace = collect_trace(outputs)
    assert len(trace.stamps_ns) == sum(isinstance(o, ParticleSnapshot) for o in outputs) == 30
    true = np.stack([camera[int(stamp)] for stamp in trace.stamps_ns])
    error = np.hypot(*(trace.estimate - true)[:, :2].T)
    assert error[3:].max() < dense_search.CELL_M
    turned = np.abs(np.angle(np.exp(1j * (trace.estimate - true)[:, 2])))
    assert turned[3:].max() < math.tau / dense_search.HEADINGS
    assert trace.states[-1] == State.TRACKING.value
    assert trace.travelled[-1] == pytest.approx(58.0, abs=1e-6)
    assert trace.particles[-1] < trace.particles[0]


def test_odometry_that_is_not_followed_loses_the_vehicle(place, camera) -> None:
    """The images go on along the street, the odometry goes back."""
    events = drive(camera, 20)
    wrong = [
        OdometryEvent(stamp_ns=e.stamp_ns, T_odom_base=e.T_odom_base * [-1.0, 1.0, 1.0])
        if isinstance(e, OdometryEvent)
        else e
        for e in events
    ]
    right, backwards = (
        [o for o in dense_search.search(place, SETTINGS, given) if isinstance(o, PoseEstimate)]
        for given in (events, wrong)
    )
    last = camera[right[-1].stamp_ns]
    off = [float(np.hypot(*(run[-1].T_map_base - last)[:2])) for run in (right, backwards)]
    assert off[0] < dense_search.CELL_M < off[1]


def test_images_closer_than_the_update_distance_are_passed_over(place, camera) -> None:
    settings = with_values(SETTINGS, {"filter.update_distance": 5.0})
    outputs = list(dense_search.search(place, settings, drive(camera, 10)))
    estimates = [output for output in outputs if isinstance(output, PoseEstimate)]
    assert [round(estimate.travelled) for estimate in estimates] == [0, 6, 12, 18]


def test_an_image_by_itself_says_the_same_whatever_came_before(place, camera) -> None:
    """All images but the last show another place; of the drive only its turns count."""
    heading = {"start.heading_known": True, "start.heading": 0.0, "start.heading_sd": 0.2}
    settings = with_values(SETTINGS, heading)
    events = drive(camera)
    stamps = sorted(camera)
    for stamp in stamps:
        camera[stamp] = START
    last = stamps[24]  # 48 m on, behind the corner
    camera[last] = np.array([1.0, 70.0, math.pi / 2])  # on a street that runs north

    def search(events: list, *, fused: bool) -> list[PoseEstimate]:
        outputs = dense_search.search(place, settings, events, fused=fused)
        return [output for output in outputs if isinstance(output, PoseEstimate)]

    found = search(events, fused=False)
    assert [round(estimate.travelled) for estimate in found] == [0, 16, 32, 48]
    assert found[-1].stamp_ns == last
    straight = [
        dataclasses.replace(e, T_odom_base=np.array([2.0 * stamps.index(e.stamp_ns), 0.0, 0.0]))
        if isinstance(e, OdometryEvent)
        else e
        for e in events
    ]
    fused = next(e for e in search(events, fused=True) if e.stamp_ns == last)
    unturned = search(straight, fused=False)[-1]
    off = [
        float(np.hypot(*(estimate.T_map_base - camera[last])[:2]))
        for estimate in (found[-1], fused, unturned)
    ]
    assert off[0] < dense_search.CELL_M < min(off[1:])


def test_errors_of_a_step_grow_with_its_length() -> None:
    motion = Motion(np.array([4.0, 0.0, 0.1]), 4.0, 0.5)
    noise = SETTINGS.motion
    step = dense_search.step_of(motion, SETTINGS)
    per_metre = noise.scale_sd**2 + dense_search.HEADING_SD**2
    assert step.sd**2 == pytest.approx(noise.forward_noise**2 * 4.0 + per_metre * 16.0)
    turn = noise.yaw_noise**2 * 4.0 + noise.yaw_noise_time**2 * 0.5 + (0.5 * noise.yaw_bias_sd) ** 2
    assert step.turn_sd**2 == pytest.approx(turn)
    assert (step.forward, step.left, step.turn) == (4.0, 0.0, 0.1)
