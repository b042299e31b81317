"""Dense search with sequence fusion: the camera's scores over the whole map, fused by odometry.

What MDPS (Younis and Sudderth 2024) compares itself with, after OrienterNet (Sarlin et al. 2023):
every frame is compared with all poses of a grid, and the sequence is fused by moving the grid's
probabilities with the odometry. It sees the same start, roads, images and weights of looks as the
filter. It has no continuous states: neither the odometer's errors nor the map's are estimated.
Without the fusion it is what one image alone says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from mdps_ros.core import estimates
from mdps_ros.evaluation.pose_grid import PoseGrid, Share, Step, grid_over
from mdps_ros.maps import Map
from mdps_ros.models.prior import RoadPrior, sample_prior
from mdps_ros.models.road import road_log_likelihood
from mdps_ros.models.road_index import build_road_index
from mdps_ros.notes import Note
from mdps_ros.runtime.cameras import Cameras
from mdps_ros.runtime.events import ColourImageEvent, Event, ImageEvent, OdometryEvent
from mdps_ros.runtime.inputs.image_queue import ImageQueue, too_late
from mdps_ros.runtime.inputs.odometry_buffer import OdometryBuffer, OdometrySample
from mdps_ros.runtime.localizer import Motion
from mdps_ros.runtime.outputs import Mode, Output, ParticleSnapshot, PoseEstimate, State
from mdps_ros.runtime.travel import Travel
from mdps_ros.settings import Settings

CELL_M = 2.0
HEADINGS = 72
CELL_SD = CELL_M / math.sqrt(12.0)  # m, of a place within its cell
HEADING_SD = math.tau / HEADINGS / math.sqrt(12.0)  # rad, likewise
DRAWS = 1 << 20  # of the prior, which become the first shares
SINGLE_EVERY_M = 15.0  # of travel, between two images that are searched for by themselves


class DenseSearch:
    """Takes the events of a drive, and tells its belief as a session does.

    Args:
        place: the map, with roads.
        settings: the whole tree; its seed draws the prior.
        fused: false searches for every image by itself, as an independent look, from the prior: of
            the drive before it only the turns of the odometer count, where the heading is known.
    """

    def __init__(self, place: Map, settings: Settings, *, fused: bool = True) -> None:
        self._settings = settings
        self._fused = fused
        self._turned = 0.0  # rad by the odometer since the first frame
        device = torch.device("cpu")
        self._cameras = Cameras(place, settings, device)
        self._roads = build_road_index(place.roads, device)
        self._odometry = OdometryBuffer(settings.runtime.odometry_buffer)
        self._images = ImageQueue(settings.runtime.image_wait)
        self._travel = Travel()
        self._grid = grid_over(place.bounds, CELL_M, HEADINGS)
        self._network = place.roads
        self._generator = torch.Generator(device).manual_seed(settings.runtime.seed)
        self._share = self._prior()

    def handle(self, event: Event) -> Iterator[Output]:
        """Take one event in; estimates come at images that odometry covers."""
        if isinstance(event, OdometryEvent):
            self._odometry.add(event.stamp_ns, event.T_odom_base)
        elif isinstance(event, ColourImageEvent):
            yield from self._images.put(event)
        for taken in self._images.take(self._odometry):
            last = self._travel.last
            if isinstance(taken, Note):
                yield taken
            elif last is not None and taken[0].stamp_ns < last.stamp_ns:
                yield too_late(taken[1], "it came after newer ones")
            else:
                yield from self._frame(*taken)

    def _frame(self, now: OdometrySample, image: ImageEvent) -> Iterator[Output]:
        motion, least = self._travel.step(now), self._settings.filter.update_distance
        least = least if self._fused else max(least, SINGLE_EVERY_M)
        if self._travel.last is None:
            self._travel.begin(now)
        elif self._travel.since(ColourImageEvent, now) < least:
            return
        travelled = max(self._travel.since(ColourImageEvent, now), least)
        self._travel.last = now
        self._travel.looked(ColourImageEvent, now)
        self._turned += float(motion.increment[2])
        if not self._fused:
            self._share, travelled = self._prior(), math.inf
        elif motion.distance > 0.0:
            self._share = self._grid.moved(self._share, step_of(motion, self._settings))
        self._share = self._grid.weighed(self._share, self._score(motion, image, travelled))
        yield from told(self._grid, self._share, self._settings, now, self._travel.total(now))

    def _prior(self) -> Share:
        """Anywhere on the roads, with the start's heading turned as the odometer has turned."""
        start = self._settings.start
        heading = (start.heading + self._turned, start.heading_sd) if start.heading_known else None
        prior = RoadPrior(self._network, heading)
        return self._grid.histogram(sample_prior(prior, 1, DRAWS, self._generator)[0])

    def _score(
        self, motion: Motion, image: ImageEvent, travelled: float
    ) -> Callable[[Tensor], Tensor]:
        """Log-likelihood of poses by roads and image, weighed as the filter weighs them."""
        road = self._settings.road
        looks = min(motion.distance / road.decorrelation, 1.0) if road.enabled else 0.0
        look = self._cameras.bind(image)

        def score(poses: Tensor) -> Tensor:
            total = looks * road_log_likelihood(poses[None], self._roads, road)[0]
            found = None if look is None else look.log_likelihood(poses[None])
            if look is None or found is None:
                return total
            return total + look.share(travelled) * found[0]

        return score


def step_of(motion: Motion, settings: Settings) -> Step:
    """Odometry with the errors that it is told to have, and those of headings within a cell."""
    noise, distance = settings.motion, motion.distance
    wander = math.hypot(noise.scale_sd, HEADING_SD) * distance
    sd = math.hypot(noise.forward_noise * math.sqrt(distance), wander)
    turn_sd = math.hypot(
        noise.yaw_noise * math.sqrt(distance), noise.yaw_noise_time * math.sqrt(motion.dt)
    )
    forward, left, turn = (float(value) for value in motion.increment)
    return Step(forward, left, turn, sd, math.hypot(turn_sd, noise.yaw_bias_sd * motion.dt))


def told(
    grid: PoseGrid, share: Share, settings: Settings, now: OdometrySample, travelled: float
) -> Iterator[Output]:
    """The belief in numbers, and its cells as particles."""
    poses, weights = grid.held(share)
    rule = settings.estimate
    found = estimates.modes(
        poses[None], weights.log()[None], rule.modes, rule.mode_radius, rule.mode_yaw
    )
    modes = tuple(
        Mode(
            T_map_base=mean.double().numpy(),
            covariance=covariance.double().numpy(),
            mass=float(mass),
        )
        for mean, covariance, mass in zip(*(part[0] for part in found), strict=True)
        if mass > 0
    )
    top = modes[0]
    off = estimates.pose_difference(poses, torch.from_numpy(top.T_map_base).to(poses))
    within = np.diag([CELL_SD**2, CELL_SD**2, HEADING_SD**2])
    covariance = ((off * weights[:, None]).mT @ off).double().numpy() + within
    yield PoseEstimate(
        stamp_ns=now.stamp_ns,
        T_map_base=top.T_map_base,
        covariance=covariance,
        modes=modes,
        state=State.TRACKING if top.mass >= rule.claim_mass else State.GLOBAL,
        particles=len(poses),
        effective_particles=float(1.0 / weights.square().sum()),
        travelled=travelled,
        scale=(0.0, 0.0),
        yaw_bias=(0.0, 0.0),
        measurements=("camera",),
    )
    yield ParticleSnapshot(
        stamp_ns=now.stamp_ns, poses=poses.float().numpy(), weights=weights.float().numpy()
    )


def search(
    place: Map, settings: Settings, events: Iterable[Event], *, fused: bool = True
) -> Iterator[Output]:
    """What a dense search says to the events of a drive; see `DenseSearch`."""
    dense = DenseSearch(place, settings, fused=fused)
    for event in events:
        yield from dense.handle(event)
