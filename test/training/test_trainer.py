"""The loop: freezing, the best state, members for themselves, steps that are left out."""

from __future__ import annotations

import math

import pytest
import torch

from mdps_ros.core.weights import DegenerateWeightsError
from mdps_ros.training import stage_steps
from mdps_ros.training.errors import TrainingError
from mdps_ros.training.freezing import set_learning
from mdps_ros.training.members import clip
from mdps_ros.training.run_log import read_log
from mdps_ros.training.stages import Stage
from mdps_ros.training.trainer import train
from test.training.regression import TRUE_SLOPE, LineTask, NetworkTask, copy_of, differing


def stage(**values) -> Stage:
    given = {"name": "only", "iterations": 30, "learning_rates": {"first": 0.05}, **values}
    return Stage(**given)


def test_stages_find_the_line(tmp_path):
    task = LineTask([1, 2, 3])
    result = train(
        task,
        [stage(iterations=300, clip_norm=5.0), stage(name="fine", learning_rates={"second": 1e-3})],
        tmp_path,
        0,
    )
    found = (task.modules["first"].slope + task.modules["second"].slope)[..., 0]
    # the noise of 64-fold passes over 16 points of sd 0.1 leaves well under 0.05
    assert (found - torch.tensor(TRUE_SLOPE)).abs().max() < 0.05
    assert [one.name for one in result.stages] == ["only", "fine"]
    assert max(result.stages[1].validation) < 0.02


# -- freezing


def test_frozen_modules_stay_bit_identical_with_their_statistics(tmp_path):
    task = NetworkTask(0)
    before = copy_of(task.modules)
    train(task, [stage(learning_rates={"head": 0.05})], tmp_path, 0)
    assert set(differing(before, copy_of(task.modules))) == {"head.weight", "head.bias"}


def test_a_trainer_that_forgets_eval_mode_moves_statistics(tmp_path, monkeypatch):
    monkeypatch.setattr(stage_steps, "set_modes", lambda modules, training: None)

    def in_training_mode(modules, names, learnable):
        set_learning(modules, names, learnable)
        for module in modules.values():
            module.train()

    monkeypatch.setattr(stage_steps, "set_learning", in_training_mode)
    task = NetworkTask(0)
    before = copy_of(task.modules)
    train(task, [stage(learning_rates={"head": 0.05})], tmp_path, 0)
    assert "encoder.1.running_mean" in differing(before, copy_of(task.modules))


def test_modes_and_flags_are_as_before_afterwards(tmp_path):
    task = NetworkTask(0)
    task.modules["encoder"][0].bias.requires_grad_(False)
    task.modules["encoder"].eval()
    before = copy_of(task.modules)
    train(task, [stage(learning_rates={"head": 0.05, "encoder": 0.05})], tmp_path, 0)
    assert not task.modules["encoder"].training
    assert task.modules["head"].training
    assert not task.modules["encoder"][0].bias.requires_grad
    assert task.modules["head"].weight.requires_grad
    assert task.modules["head"].weight.grad is None
    changed = differing(before, copy_of(task.modules))
    assert "encoder.0.weight" in changed
    assert "encoder.0.bias" not in changed


def test_the_global_generator_is_not_touched(tmp_path):
    before = torch.get_rng_state()
    train(NetworkTask(0), [stage(learning_rates={"encoder": 0.05})], tmp_path, 0)
    assert torch.equal(before, torch.get_rng_state())


# -- the best state


class ScriptedValidation(LineTask):
    """Validation losses are read from a list; the weights at each validation are kept."""

    def __init__(self, values) -> None:
        super().__init__([1, 2])
        self.values = values
        self.seen = []

    def validate(self, stage):
        self.seen.append(self.modules["first"].slope.detach().clone())
        return torch.tensor(self.values[len(self.seen) - 1])


def test_each_member_ends_with_its_own_best_state(tmp_path):
    task = ScriptedValidation([(9.0, 9.0), (3.0, 8.0), (4.0, 2.0), (math.nan, 5.0)])
    result = train(task, [stage(validate_every=10)], tmp_path, 0)
    assert result.stages[0].validation == [3.0, 2.0]
    assert result.stages[0].best_iteration == [10, 20]
    slope = task.modules["first"].slope
    assert torch.equal(slope[0], task.seen[1][0])
    assert torch.equal(slope[1], task.seen[2][1])
    assert not torch.equal(slope[0], task.seen[3][0])


def test_a_stage_never_ends_worse_than_it_began(tmp_path):
    task = ScriptedValidation([(1.0, 1.0), (2.0, 2.0), (2.0, 2.0), (2.0, 2.0)])
    result = train(task, [stage(validate_every=10)], tmp_path, 0)
    assert result.stages[0].best_iteration == [0, 0]
    assert torch.equal(task.modules["first"].slope, task.seen[0])


def test_a_member_without_a_finite_validation_is_an_error(tmp_path):
    task = ScriptedValidation([(1.0, math.nan)] * 4)
    with pytest.raises(TrainingError, match=r"stage only: no validation of member 1 was finite"):
        train(task, [stage(validate_every=10)], tmp_path, 0)


# -- members


def largest_difference(tmp_path, stages) -> float:
    """Between two members side by side and each of them alone."""
    together = LineTask([1, 2])
    train(together, stages, tmp_path / "both", 0)
    worst = 0.0
    for member, seed in enumerate((1, 2)):
        alone = LineTask([seed])
        train(alone, stages, tmp_path / str(seed), 0)
        for name, tensor in copy_of(alone.modules).items():
            other = copy_of(together.modules)[name][member]
            worst = max(worst, float((tensor[0] - other).abs().max()))
    return worst


CLIPPED = [
    stage(clip_norm=0.5, validate_every=7, warmup=5, final_fraction=0.1),
    stage(name="next", learning_rates={"first": 0.02, "second": 0.05}, clip_norm=1.0),
]


def test_two_members_equal_two_separate_trainings(tmp_path):
    assert largest_difference(tmp_path, CLIPPED) < 1e-6


def test_clipping_the_members_together_would_not(tmp_path, monkeypatch):
    # Adam forgets a constant factor of the gradient, but not one that changes from step to step
    def clip_all(gradient, finite, norm):
        return clip(gradient.reshape(1, -1), finite[:1], norm).reshape(gradient.shape)

    monkeypatch.setattr(stage_steps, "clip", clip_all)
    assert largest_difference(tmp_path, CLIPPED) > 1e-4


def test_one_member_is_clipped_as_torch_does():
    generator = torch.Generator().manual_seed(3)
    gradient = torch.randn(1, 12, generator=generator)
    parameter = torch.nn.Parameter(torch.zeros(12))
    parameter.grad = gradient[0].clone()
    torch.nn.utils.clip_grad_norm_([parameter], 0.7)
    clipped = clip(gradient, torch.ones(1, dtype=torch.bool), 0.7)
    torch.testing.assert_close(clipped[0], parameter.grad)


def test_learning_rates_and_norms_are_in_the_log(tmp_path):
    train(LineTask([1, 2]), [stage(warmup=10, final_fraction=0.2, clip_norm=0.5)], tmp_path, 0)
    steps = [line for line in read_log(tmp_path) if "train_loss" in line]
    rates = [line["learning_rates"]["first"] for line in steps]
    assert rates[:3] == pytest.approx([0.005, 0.01, 0.015])
    assert max(rates) == pytest.approx(0.05)
    middle = 0.05 * (0.2 + 0.8 * 0.5 * (1 + math.cos(math.pi * 0.5)))
    assert rates[20] == pytest.approx(middle)
    assert rates[-1] < 0.0105
    assert all(len(line["gradient_norm"]) == 2 for line in steps)
    assert steps[0]["gradient_norm"][0] > 0.5  # before clipping


# -- what is not finite


class SometimesNaN(LineTask):
    """Member 1's loss is NaN at some steps."""

    def __init__(self, bad) -> None:
        super().__init__([1, 2])
        self.bad = bad
        self.step = 0
        self.seen = []

    def loss(self, stage, generator):
        self.seen.append(self.modules["first"].slope.detach().clone())
        loss = super().loss(stage, generator)
        self.step += 1
        return loss * torch.tensor([1.0, math.nan if self.step in self.bad else 1.0])


def test_a_member_leaves_out_a_step_that_is_not_finite(tmp_path):
    task, alone = SometimesNaN({1, 8, 9}), LineTask([1])
    result = train(task, [stage(clip_norm=1.0)], tmp_path / "two", 0)
    train(alone, [stage(clip_norm=1.0)], tmp_path / "one", 0)
    assert result.stages[0].skipped == [0, 3]
    for step in (0, 7, 8):
        assert torch.equal(task.seen[step][1], task.seen[step + 1][1])
    assert not torch.equal(task.seen[9][1], task.seen[10][1])
    torch.testing.assert_close(task.modules["first"].slope[0], alone.modules["first"].slope[0])
    lines = [line for line in read_log(tmp_path / "two") if "train_loss" in line]
    assert lines[7]["train_loss"][1] is None
    assert lines[-1]["skipped"] == [0, 3]


def test_a_member_that_stays_not_finite_stops_the_run(tmp_path):
    task = SometimesNaN(set(range(4, 100)))
    said = r"stage only, iteration 28, member 1: .* 25 times in a row; lower learning_rates"
    with pytest.raises(TrainingError, match=said):
        train(task, [stage(iterations=60)], tmp_path, 0)


class SometimesDegenerate(LineTask):
    """The filter of the third batch loses all its weight."""

    step = 0

    def loss(self, stage, generator):
        self.step += 1
        if self.step == 3:
            raise DegenerateWeightsError("no particle has any mass")
        return super().loss(stage, generator)


def test_a_batch_that_no_weight_survives_is_left_out(tmp_path):
    task = SometimesDegenerate([1, 2])
    assert train(task, [stage()], tmp_path, 0).stages[0].skipped == [1, 1]


# -- what does not fit


class Wrong(LineTask):
    """Adds up the losses of its members."""

    def loss(self, stage, generator):
        return super().loss(stage, generator).sum()

    def validate(self, stage):
        return torch.zeros(self.members)


@pytest.mark.parametrize(
    ("task", "stages", "said"),
    [
        (LineTask([1]), [], "give one stage or more"),
        (LineTask([1]), [stage(), stage()], "its own name"),
        (LineTask([1]), [stage(learning_rates={"third": 1.0})], "the task has first, second"),
        (Wrong([1, 2]), [stage()], r"loss returned the shape \(\); return one number"),
    ],
)
def test_stages_that_do_not_fit_the_task_are_refused(task, stages, said, tmp_path):
    with pytest.raises(TrainingError, match=said):
        train(task, stages, tmp_path, 0)


def test_modules_without_the_axis_of_members_are_refused(tmp_path):
    task = NetworkTask(0)
    task.members = 2
    with pytest.raises(TrainingError, match=r"encoder.0.weight has the shape \(8, 3\); with 2"):
        train(task, [stage(learning_rates={"head": 1.0})], tmp_path, 0)


def test_a_parameter_in_two_modules_is_refused(tmp_path):
    task = LineTask([1])
    task.modules["again"] = task.modules["first"]
    with pytest.raises(TrainingError, match=r"again.slope is also first.slope"):
        train(task, [stage()], tmp_path, 0)


def test_a_module_that_the_loss_does_not_see_is_refused(tmp_path):
    task = NetworkTask(0)
    task.modules["spare"] = torch.nn.Linear(2, 2)
    with pytest.raises(TrainingError, match=r"does not depend on module spare"):
        train(task, [stage(learning_rates={"head": 1.0, "spare": 1.0})], tmp_path, 0)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"iterations": 0}, "iterations is 0; give 1 or more"),
        ({"learning_rates": {}}, "one module or more"),
        ({"learning_rates": {"first": 0.0}}, "leave the module out to freeze it"),
        ({"clip_norm": 0.0}, "clip_norm is 0.0; give a number above 0"),
        ({"warmup": 31}, "warmup is 31; give 0 to 30"),
        ({"final_fraction": 1.5}, "final_fraction is 1.5; give 0 to 1"),
        ({"validate_every": 0}, "validate_every is 0"),
    ],
)
def test_a_stage_out_of_range_says_what_to_give(values, said):
    with pytest.raises(TrainingError, match=f"stage only: .*{said}"):
        stage(**values)
