"""Recipes: what is read, and the one line for everything that is wrong."""

from __future__ import annotations

import math

import pytest

from mdps_ros.training.config import load_config
from mdps_ros.training.errors import TrainingError
from mdps_ros.training.tasks import TASKS, find_task

RECIPE = """
task: lines
seed: 7
members: 5
options: {particles: 50, rate: 1e-3}
stages:
  - name: filters
    iterations: 200
    learning_rates: {dynamics: 1e-3, bandwidth: 1E-5, weights: 1}
    loss: both
    clip_norm: 50
    warmup: 10
    final_fraction: 0.1
    validate_every: 20
    options: {truncate_every: 4}
  - name: smoother
    iterations: 100
    learning_rates: {smoother: 0.5}
card: {summary: A line., data: drawn, licence: Apache-2.0, limits: none known}
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def test_a_recipe_is_read_with_its_types(recipe):
    config = load_config(recipe)
    assert (config.task, config.seed, config.members) == ("lines", 7, 5)
    assert config.options == {"particles": 50, "rate": 0.001}
    first, second = config.stages
    assert first.learning_rates == {"dynamics": 1e-3, "bandwidth": 1e-5, "weights": 1.0}
    assert first.options == {"truncate_every": 4}
    assert (first.loss, first.clip_norm, first.warmup) == ("both", 50.0, 10)
    assert (second.clip_norm, second.final_fraction, second.validate_every) == (math.inf, 1.0, 100)
    assert config.card is not None
    assert config.card.licence == "Apache-2.0"


def test_assignments_win_over_the_file(recipe):
    words = [
        "seed=3",
        "options.particles=10",
        "stages.smoother.iterations=5",
        "stages.filters.learning_rates.dynamics=2e-4",
        "stages.filters.learning_rates.forward.encoder=0.5",
        "stages.smoother.options.lag=7",
    ]
    config = load_config(recipe, words)
    assert config.seed == 3
    assert config.options["particles"] == 10
    assert config.stages[1].iterations == 5
    assert config.stages[0].learning_rates["dynamics"] == 2e-4
    assert config.stages[0].learning_rates["forward.encoder"] == 0.5
    assert config.stages[1].options == {"lag": 7}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seed: 7", "sede: 7", "sede is unknown; did you mean seed?"),
        ("seed: 7", "colour: 7", "colour is unknown; known: task, stages, seed"),
        ("seed: 7", "seed: seven", "seed is 'seven'; give a whole number"),
        ("seed: 7", "seed: true", "seed is True; give a whole number"),
        ("seed: 7", "seed: -1", "seed is -1; give 0 or more"),
        ("members: 5", "members: 0", "members is 0; give 1 or more"),
        ("task: lines", "", "task is missing; add it"),
        ("iterations: 200", "iteration: 200", r"stages[filters].iteration is unknown; did you"),
        ("iterations: 200", "iterations: 2.5", "stages[filters].iterations is 2.5; give a whole"),
        ("iterations: 200", "iterations: 0", "stage filters: iterations is 0; give 1 or more"),
        ("clip_norm: 50", "clip_norm: high", "stages[filters].clip_norm is 'high'; give a number"),
        ("{smoother: 0.5}", "0.5", "stages[smoother].learning_rates is 0.5; give keys and values"),
        ("{smoother: 0.5}", "{smoother: [1]}", "learning_rates.smoother is [1]; give a number"),
        ("licence: Apache-2.0, ", "", "card.licence is missing; add it"),
        (
            "options: {particles: 50, rate: 1e-3}",
            "options: 3",
            "options is 3; give keys and values",
        ),
        ("task: lines", "task: [lines", "cannot read"),
    ],
)
def test_a_wrong_recipe_is_one_line_that_names_the_key(recipe, old, new, said):
    assert old in RECIPE
    recipe.write_text(RECIPE.replace(old, new))
    with pytest.raises(TrainingError) as error:
        load_config(recipe)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("seed", "--set seed: write key=value"),
        ("seed=[", "--set seed=[: write key=value"),
        ("sede=3", "sede is unknown; did you mean seed?"),
        ("seed.a=3", "--set seed.a=3: seed has no parts"),
        ("stages.filter.iterations=3", "no stage filter; the file has filters, smoother"),
        ("stages.filters=3", "write stages.NAME.key=value"),
        ("stages=3", "stages is 3; give a list"),
    ],
)
def test_a_wrong_assignment_is_one_line(recipe, word, said):
    with pytest.raises(TrainingError) as error:
        load_config(recipe, [word])
    assert said in str(error.value)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "words"])
def test_a_file_that_is_no_recipe_says_what_to_write(recipe, text):
    recipe.write_text(text)
    with pytest.raises(TrainingError, match="holds no recipe; write task: and stages:"):
        load_config(recipe)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TrainingError, match=r"cannot read .*absent.yaml"):
        load_config(tmp_path / "absent.yaml")


def test_reading_a_recipe_leaves_other_yaml_alone(recipe):
    import yaml

    load_config(recipe)
    assert yaml.safe_load("a: 1e-3") == {"a": "1e-3"}


def test_tasks_are_found_by_name_or_by_module(monkeypatch):
    monkeypatch.setitem(TASKS, "lines", "test.training.regression:build_lines")
    assert find_task("lines") is find_task("test.training.regression:build_lines")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("line", "task line is unknown; did you mean lines?"),
        ("xyz", "known: .*lines; or write module:function"),
        ("absent_module:build", "No module named 'absent_module'; check module and function"),
        ("test.training.regression:absent", "check module and function"),
    ],
)
def test_an_unknown_task_says_what_there_is(name, said, monkeypatch):
    monkeypatch.setitem(TASKS, "lines", "test.training.regression:build_lines")
    with pytest.raises(TrainingError, match=said):
        find_task(name)


@pytest.mark.parametrize("name", TASKS)
def test_every_registered_task_can_be_found(name):
    assert callable(find_task(name))
