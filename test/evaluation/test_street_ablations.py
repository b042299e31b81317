"""Variants: each changes one thing, and rows tell which."""

from __future__ import annotations

import pytest

from mdps_ros.evaluation import street_ablations as suite
from mdps_ros.evaluation import street_drives
from mdps_ros.evaluation.street_scenes import MAPS, SCENES
from mdps_ros.settings import Settings, with_values


def test_every_variant_can_be_run_and_no_two_are_the_same() -> None:
    seen = []
    for variant in suite.VARIANTS.values():
        assert variant.run.map in MAPS
        assert variant.run.scene in SCENES
        assert variant.run.method in street_drives.METHODS
        assert suite.VARIANTS[variant.against].against == suite.BASE
        seen.append((variant.run, with_values(Settings(), variant.changes)))
    assert len(seen) == len({(run, repr(settings)) for run, settings in seen})
    assert suite.VARIANTS[suite.BASE] == suite.Variant()


def test_a_variant_differs_from_what_it_is_compared_with_in_one_thing() -> None:
    for variant in suite.VARIANTS.values():
        base = suite.VARIANTS[variant.against]
        fields = ("method", "map", "heading_known", "own_images", "scene")
        changed = [f for f in fields if getattr(variant.run, f) != getattr(base.run, f)]
        assert len(changed) + bool(variant.changes) <= 1


def test_tasks_go_drive_by_drive() -> None:
    tasks = suite.tasks_of(("base", "night"), "test", 2, Settings())
    assert [task[:3] for task in tasks] == [
        ("base", "test", 0),
        ("night", "test", 0),
        ("base", "test", 1),
        ("night", "test", 1),
    ]


def test_rows_are_those_of_the_changed_settings_by_the_variants_name(monkeypatch) -> None:
    calls = []

    def drive_rows(split, index, runs, settings):
        calls.append((split, index, runs, settings))
        return [{"name": run.name, "seed": index} for run in runs]

    monkeypatch.setattr(street_drives, "drive_rows", drive_rows)
    settings = with_values(Settings(), {"road.enabled": False})
    rows = suite.ablation_rows("250 particles", "train", 4, settings)
    assert rows == [{"name": "250 particles", "seed": 4}]
    (split, index, runs, used) = calls[0]
    assert (split, index, runs) == ("train", 4, (suite.IMPERFECT,))
    assert used.filter.particles_max == used.filter.particles_min == 250
    assert not used.road.enabled
    with pytest.raises(KeyError):
        suite.ablation_rows("fewer", "train", 4, settings)


def test_smoothers_are_those_of_the_base(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(street_drives, "hindsight_rows", lambda *given: asked.append(given) or [])
    assert suite.ablation_rows(suite.SMOOTHERS, "test", 3, Settings()) == []
    split, index, seed, runs, _, lags, walks = asked[0]
    assert (split, index, seed, runs) == ("test", 3, 0, (suite.IMPERFECT,))
    assert lags == (suite.LAG_S,)
    wrong = [name for name, changes in walks.items() if not changes.get("divided", True)]
    assert wrong == ["offline, all drawn from q, without 1/q"]
