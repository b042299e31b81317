"""The camera's score of all poses of a window, and how well it tells the true one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from mdps_ros.core.mapdata import Bounds
from mdps_ros.evaluation.camera_frame_set import Frame
from mdps_ros.maps.map import Map
from mdps_ros.models.camera.dense import shift_scores, window_cells
from mdps_ros.models.camera.geometry import CAMERA_HEIGHT
from mdps_ros.models.camera.networks import CameraNetworks, Ground
from mdps_ros.models.camera.raster import LEVELS, metre_layers

REACH_M = 32.0  # of the window to each side
YAWS = np.radians(np.arange(-30.0, 30.1, 2.5))  # of the window
OFFSET_M, OFFSET_YAW = 16.0, np.radians(15.0)  # of the window's middle from the truth, at most
MARGIN = 128  # m of map around its bounds, ground without anything


class EncodedMap(NamedTuple):
    """Features of a whole map.

    Attributes:
        features: (1, C, rows, columns), cells of 1 m, row 0 south.
        corner: x and y of the south-west corner, m.
    """

    features: Float[Tensor, "1 C rows columns"]
    corner: tuple[float, float]


class WindowScore(NamedTuple):
    """One frame in its window.

    Attributes:
        log_share: (yaws, forward, right) log-probability of each grid pose.
        poses: (yaws, forward, right, 3) base poses, m and rad in the map; forward is evenly spaced.
    """

    log_share: NDArray[np.float64]
    poses: NDArray[np.float64]

    def place(self, pose: NDArray[np.float64]) -> NDArray[np.float64]:
        """(yaws, 3) grid place of a pose by each yaw slice: steps of yaw, forward and right."""
        reach = self.poses.shape[1] // 2
        middles = self.poses[:, reach, reach]
        scale = float(np.hypot(*(self.poses[0, 1, 0, :2] - self.poses[0, 0, 0, :2])))
        away = pose[:2] - middles[:, :2]
        cos, sin = np.cos(middles[:, 2]), np.sin(middles[:, 2])
        forward = (away[:, 0] * cos + away[:, 1] * sin) / scale + reach
        right = (away[:, 0] * sin - away[:, 1] * cos) / scale + reach
        step = YAWS[1] - YAWS[0]
        return np.stack([_wrapped(pose[2] - middles[:, 2]) / step, forward, right], axis=1)


class FrameResult(NamedTuple):
    """How well one frame tells its pose.

    Attributes:
        error_m: distance of the best pose from the true one.
        yaw_error_rad: likewise.
        nll: -log of the truth's share, per grid cell of 1 m, 1 m and 2.5 degrees.
        mass_before: share of all poses that are more likely than the truth.
        claimed: share of the mass within 2 m of the best pose.
    """

    error_m: float
    yaw_error_rad: float
    nll: float
    mass_before: float
    claimed: float


def encode_map(map: Map, networks: CameraNetworks) -> EncodedMap:
    """Features of a map and its surroundings."""
    box = map.bounds
    corner = (float(np.floor(box.min_x)) - MARGIN, float(np.floor(box.min_y)) - MARGIN)
    # The encoder wants even numbers of rows and columns.
    width, height = (
        2 * int(np.ceil((far + MARGIN - near) / 2))
        for far, near in zip(box[2:], corner, strict=True)
    )
    window = Bounds(*corner, corner[0] + width, corner[1] + height)
    layers = torch.from_numpy(metre_layers(map, window))[None]
    with torch.no_grad():
        return EncodedMap(networks.map(layers.float() / LEVELS), corner)


def encode_frame(frame: Frame, networks: CameraNetworks) -> Ground:
    """Ground features of a frame."""
    view = frame.view()
    with torch.no_grad():
        rgb, mask = torch.from_numpy(view.rgb[None]), torch.from_numpy(view.mask[None])
        return networks.encode_image(rgb, mask)


def score_window(
    ground: Ground,
    frame: Frame,
    encoded: EncodedMap,
    networks: CameraNetworks,
    rng: np.random.Generator,
) -> WindowScore:
    """Score the window of a frame, whose middle lies at a random place about the truth."""
    forward, _, height = (float(value) for value in frame.T_base_camera[:3, 3])
    scale = height / CAMERA_HEIGHT
    reach = round(REACH_M / scale)
    x, y = frame.pose[:2] + rng.uniform(-OFFSET_M, OFFSET_M, 2)
    yaw = frame.pose[2] + rng.uniform(-OFFSET_YAW, OFFSET_YAW) + YAWS
    middles = np.stack([np.full(len(yaw), x), np.full(len(yaw), y), yaw], axis=1)
    camera = middles.copy()
    camera[:, :2] += forward * np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    camera[:, :2] -= np.array(encoded.corner)
    cells = window_cells(torch.from_numpy(camera), reach, torch.full((len(yaw),), scale).double())
    size = torch.tensor([encoded.features.shape[3], encoded.features.shape[2]])
    grid = (cells * (2.0 / size) - 1.0).float()
    windows = F.grid_sample(
        encoded.features.expand(len(yaw), -1, -1, -1), grid, align_corners=False
    )
    with torch.no_grad():
        factor = networks.scale(ground.features)
        score = factor * shift_scores(ground.features, windows[None])[0]
    log_share = F.log_softmax(score.double().flatten(), dim=0).view(score.shape).numpy()
    steps = scale * (np.arange(2 * reach + 1) - reach)
    poses = np.empty((*log_share.shape, 3))
    cos, sin = np.cos(yaw)[:, None, None], np.sin(yaw)[:, None, None]
    poses[..., 0] = x + steps[:, None] * cos + steps * sin
    poses[..., 1] = y + steps[:, None] * sin - steps * cos
    poses[..., 2] = yaw[:, None, None]
    return WindowScore(log_share, poses)


def judge(window: WindowScore, pose: NDArray[np.float64]) -> FrameResult:
    """Compare a window's best pose and probabilities with the true pose (3,)."""
    best = best_pose(window)
    share = np.exp(window.log_share)
    true = _log_share_at(window, pose)
    distance = np.hypot(*(window.poses[..., :2] - best[:2]).transpose(3, 0, 1, 2))
    return FrameResult(
        float(np.hypot(*(best[:2] - pose[:2]))),
        abs(float(_wrapped(best[2] - pose[2]))),
        -true,
        float(share[window.log_share > true].sum()),
        float(share[distance < 2.0].sum()),
    )


def best_pose(window: WindowScore) -> NDArray[np.float64]:
    """(3,) mean of the grid's best pose and its neighbours, by their shares."""
    place = np.unravel_index(int(window.log_share.argmax()), window.log_share.shape)
    around = tuple(slice(max(0, at - 1), at + 2) for at in place)
    share = np.exp(window.log_share[around] - window.log_share[place])[..., None]
    top = window.poses[place]
    away = window.poses[around] - top
    mean: NDArray[np.float64] = top + (share * away).sum(axis=(0, 1, 2)) / share.sum()
    return mean


def _log_share_at(window: WindowScore, pose: NDArray[np.float64]) -> float:
    """log-share of a pose, between the grid's poses by interpolation."""
    places = window.place(pose)
    steps = np.abs(places[:, 0])
    total = 0.0
    for index in np.flatnonzero(steps < 1.0):
        _, forward, right = places[index]
        rows, columns = window.log_share.shape[1:]
        f = int(np.clip(np.floor(forward), 0, rows - 2))
        r = int(np.clip(np.floor(right), 0, columns - 2))
        corner = np.exp(window.log_share[index, f : f + 2, r : r + 2])
        down = np.array([f + 1 - forward, forward - f])
        across = np.array([r + 1 - right, right - r])
        total += (1.0 - steps[index]) * float(down @ corner @ across)
    return float(np.log(max(total, 1e-300)))


def _wrapped(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same angle in [-pi, pi)."""
    result: NDArray[np.float64] = (angle + np.pi) % (2 * np.pi) - np.pi
    return result
