"""`mdps train` from recipe to weights."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from mdps_ros import __version__
from mdps_ros.cli.main import main
from mdps_ros.models.weights import load_weights
from mdps_ros.training.run_log import read_log
from test.training.regression import LineTask

RECIPE = """
task: regression:build_lines
members: 3
stages:
  - {name: first, iterations: 12, learning_rates: {first: 5e-2}, clip_norm: 1.0}
  - {name: second, iterations: 6, learning_rates: {second: 1e-2}}
card: {summary: A line., data: drawn by a seed, licence: Apache-2.0, limits: Three inputs only.}
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "training"))
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def run(recipe, out, *words) -> int:
    return main(["train", str(recipe), "--out", str(out), "--device", "cpu", *words])


def test_a_recipe_becomes_weights_card_curves_and_log(recipe, tmp_path, capsys, monkeypatch):
    out = tmp_path / "run"
    monkeypatch.setattr(sys, "argv", ["mdps", "train", "recipe.yaml", "--out", "a b"])
    assert run(recipe, out) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("first: best validation loss ")
    assert len(said[0].split()) == 4 + 3
    task = LineTask([10, 11, 12])
    facts = load_weights(out / "weights.safetensors", task.modules)
    # the saved weights are those that the log's best validation belongs to
    best = [line["best_loss"] for line in read_log(out) if "best_loss" in line][-1]
    assert task.validate(None).tolist() == pytest.approx(best)
    assert facts["mdps_ros"] == __version__
    assert facts["licence"] == "Apache-2.0"
    assert facts["members"] == "3"
    card = (out / "model_card.md").read_text()
    for text in ("drawn by a seed", "mdps train recipe.yaml --out 'a b'", __version__, "Apache"):
        assert text in card
    median = torch.tensor(best).median().item()
    assert f"| second: validation loss, median of 3 | {median:.6g} |" in card
    assert (out / "curves.png").stat().st_size > 5000


def test_the_same_command_again_changes_nothing_and_fresh_begins_anew(recipe, tmp_path, capsys):
    out = tmp_path / "run"
    assert run(recipe, out) == 0
    weights, log = (out / "weights.safetensors").read_bytes(), (out / "log.jsonl").read_bytes()
    assert run(recipe, out) == 0
    assert (out / "weights.safetensors").read_bytes() == weights
    assert (out / "log.jsonl").read_bytes() == log
    assert run(recipe, out, "--set", "seed=4") == 2
    error = capsys.readouterr().err.strip()
    assert "seed: 0 then, 4 now" in error
    assert "\n" not in error
    assert run(recipe, out, "--set", "options.particles=9") == 2
    assert "options: {} then, {'particles': 9} now" in capsys.readouterr().err
    assert run(recipe, out, "--set", "seed=4", "--fresh") == 0
    assert (out / "weights.safetensors").read_bytes() != weights


def test_without_its_texts_no_card_is_written(recipe, tmp_path):
    recipe.write_text(RECIPE.split("card:")[0])
    assert run(recipe, tmp_path / "run") == 0
    assert not (tmp_path / "run" / "model_card.md").exists()
    facts = load_weights(tmp_path / "run" / "weights.safetensors", LineTask([1, 2, 3]).modules)
    assert "licence" not in facts


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "task=absent"], "task absent is unknown"),
        (["--set", "stages.first.iterations=0"], "stage first: iterations is 0"),
        (["--set", "stages.first.learning_rates.third=1"], "no module third to learn"),
        (["--device", "tpu"], "--device tpu: use auto, cpu or cuda"),
    ],
)
def test_bad_input_is_one_line_and_code_2(recipe, tmp_path, words, said, capsys):
    assert run(recipe, tmp_path / "run", *words) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert error.startswith("mdps: ")
    assert "\n" not in error


def test_a_missing_recipe_is_one_line(tmp_path, capsys):
    assert run(tmp_path / "absent.yaml", tmp_path / "run") == 2
    assert "cannot read" in capsys.readouterr().err
