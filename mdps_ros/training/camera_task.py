"""What the camera model learns from: a `trainer.Task` on rendered frames and their maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from mdps_ros.data.errors import DataError
from mdps_ros.evaluation.camera_frame_set import FrameSet
from mdps_ros.maps.errors import MapError
from mdps_ros.models.camera.networks import CameraNetworks, named_parts
from mdps_ros.models.camera.raster import LEVELS
from mdps_ros.models.camera.trunk import Taps, TrunkLow
from mdps_ros.models.weights import WeightsError
from mdps_ros.training.camera_batches import Batch, Sampler, Source
from mdps_ros.training.camera_cache import cache_features, trunk_features
from mdps_ros.training.camera_ground import map_variants
from mdps_ros.training.camera_loss import class_loss, pose_loss
from mdps_ros.training.camera_options import CameraOptions, stage_options
from mdps_ros.training.camera_start import load_imagenet, load_start
from mdps_ros.training.config import read_fields
from mdps_ros.training.errors import TrainingError
from mdps_ros.training.stages import Stage

MAP_SEED, VALIDATION_SEED = 40, 41


def build(seed: int, members: int, options: Mapping[str, Any], device: torch.device) -> CameraTask:
    """The task of a recipe.

    Raises:
        TrainingError: an option is wrong, or frames, maps or weights cannot be read.
    """
    chosen = read_fields(CameraOptions, options, "options")
    if members != 1:
        raise TrainingError(f"members is {members}; the camera model learns alone, give 1")
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        networks = CameraNetworks()
    load_imagenet(networks.low, networks.high)
    networks = networks.to(device)
    try:
        if chosen.start:
            load_start(Path(chosen.start), named_parts(networks))
        sources = read_sources(chosen, networks.low)
    except (DataError, MapError, WeightsError) as error:
        raise TrainingError(f"options: {error}") from error
    return CameraTask(networks, sources, chosen, device)


def read_sources(options: CameraOptions, low: TrunkLow) -> list[Source]:
    """Frames with the features of the trunk's first part, and their maps."""
    sources = []
    for number, folder in enumerate(options.frames):
        frames = FrameSet(Path(folder))
        cached = cache_features(frames, low)
        ground = map_variants(frames.map, options.variants, MAP_SEED + 10 * number)
        sources.append(Source(frames, cached, ground))
    return sources


def split(
    poses: NDArray[np.float64], boxes: tuple[float, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the frames outside of all boxes, and inside of one.

    Raises:
        TrainingError: a box has not four numbers.
    """
    if len(boxes) % 4:
        raise TrainingError(
            f"options.held_out has {len(boxes)} numbers; give min x, min y, max x, max y per box"
        )
    inside = np.zeros(len(poses), np.bool_)
    for x0, y0, x1, y1 in np.array(boxes).reshape(-1, 4):
        x, y = poses[:, 0], poses[:, 1]
        inside |= (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
    return np.flatnonzero(~inside), np.flatnonzero(inside)


def split_places(
    sources: Sequence[Source], boxes: tuple[float, ...]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """As `split`, of each source; only the first one's frames within the boxes are held out.

    Frames of the same map within them are left alone, those of another map are all used.

    Raises:
        TrainingError: a box has not four numbers.
    """
    place, none = sources[0].frames.map_id, np.zeros(0, np.int64)
    parts = [split(sources[0].frames.pose, boxes)]
    for source in sources[1:]:
        alike = source.frames.map_id == place
        used = split(source.frames.pose, boxes)[0] if alike else np.arange(len(source.frames))
        parts.append((used, none))
    return parts


class CameraTask:
    """Losses: `pose`, the true pose among others, with the semantic loss beside it."""

    def __init__(
        self,
        networks: CameraNetworks,
        sources: list[Source],
        options: CameraOptions,
        device: torch.device,
    ) -> None:
        """Prepare for sources whose features are those of the networks' `low`.

        Raises:
            TrainingError: no frame is left to train on, or none is held out.
        """
        self.networks = networks.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._options = options
        self._device = device
        parts = split_places(sources, options.held_out)
        used, held = [part[0] for part in parts], [part[1] for part in parts]
        if not sum(map(len, used)) or not sum(map(len, held)):
            raise TrainingError(
                "options.held_out leaves no frame to train on, or holds out none; give boxes that "
                "hold about a twentieth of the first folder's frames"
            )
        self._train = Sampler(sources, used, options)
        self._held_out = Sampler(sources, held, options)
        self._modules = named_parts(networks)

    @property
    def members(self) -> int:
        """One."""
        return 1

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """`low`, `high` (the trunk), `ground`, `map` and `scale`."""
        return self._modules

    def loss(self, stage: Stage, generator: torch.Generator) -> Float[Tensor, " 1"]:
        """The loss of one batch.

        Raises:
            TrainingError: the stage wants another loss than `pose`, or `low` to learn.
        """
        if "low" in stage.learning_rates:
            raise TrainingError(
                f"stage {stage.name}: low never learns; take it out of learning_rates"
            )
        if stage.loss not in ("pose", "nll"):
            raise TrainingError(f"stage {stage.name}: no loss {stage.loss}; choose pose")
        sampler = self._held_out if stage_options(stage).on_held_out else self._train
        pose, classes = self._evaluate(sampler, stage, generator)
        return (pose.mean() + self._options.auxiliary * classes)[None]

    def validate(self, stage: Stage) -> Float[Tensor, " 1"]:
        """The pose's log-loss on held-out frames, the same ones every time."""
        generator = torch.Generator(self._device).manual_seed(VALIDATION_SEED)
        per_batch = self._options.crops * self._options.per_crop
        count = max(1, round(self._options.validation / per_batch))
        values = [self._evaluate(self._held_out, stage, generator)[0] for _ in range(count)]
        return torch.cat(values).mean()[None]

    def _evaluate(
        self, sampler: Sampler, stage: Stage, generator: torch.Generator
    ) -> tuple[Float[Tensor, " B"], Float[Tensor, ""]]:
        """The pose's loss of each frame, and the mean semantic loss."""
        seed = int(torch.randint(2**62, (1,), generator=generator, device=self._device))
        wanted = stage_options(stage).clean
        clean = self._options.clean if wanted is None else wanted
        batch = sampler.draw(np.random.default_rng(seed), clean)
        poses, scale = batch.poses.to(self._device), batch.scale.to(self._device)
        shown, true = (
            (pieces.to(self._device).float() / LEVELS).contiguous(memory_format=torch.channels_last)
            for pieces in (batch.shown, batch.true)
        )
        with torch.autocast(self._device.type, torch.bfloat16):
            ground = self.networks.ground(self._taps(batch, stage), batch.masks.to(self._device))
            features = self.networks.map(shown)
        factor = self.networks.scale(ground.features)
        pose = pose_loss(ground, features.float(), factor, poses, scale, generator)
        return pose, class_loss(ground, true, poses, scale)

    def _taps(self, batch: Batch, stage: Stage) -> Taps:
        """The trunk's features, from the images themselves where a part of them was hidden."""
        features = torch.from_numpy(batch.features).float()
        if len(batch.hidden):
            changed = trunk_features(self.networks.low, batch.rgb)
            features[torch.from_numpy(batch.hidden)] = changed.float().cpu()
        ordered = features.to(self._device).contiguous(memory_format=torch.channels_last)
        with nullcontext() if "high" in stage.learning_rates else torch.no_grad():
            taps: Taps = self.networks.high(ordered)
        return taps
