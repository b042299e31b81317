"""The tree of settings: names, types, ranges, and its two file forms."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from mdps_ros.settings import (
    Settings,
    SettingsError,
    describe,
    with_values,
)
from mdps_ros.settings_file import from_mapping, load, to_ros_yaml

ROOT = Path(__file__).resolve().parent.parent
EVERY = list(describe(Settings()))
NUMBERS = [entry for entry in EVERY if type(entry[1]) in (int, float)]


def value_of(settings: Settings, name: str) -> Any:
    group, item = name.split(".")
    return getattr(getattr(settings, group), item)


@pytest.mark.parametrize(("name", "value", "info"), EVERY, ids=[entry[0] for entry in EVERY])
def test_every_setting_is_documented_in_a_sentence(name: str, value: Any, info: Any) -> None:
    assert info["doc"].endswith(".")
    assert info["doc"][0].isupper()
    assert "\n" not in info["doc"]
    if type(value) in (int, float):
        assert info["low"] is not None
        assert info["high"] is not None
        assert info["low"] <= value <= info["high"]


def test_every_field_of_every_section_is_listed_once_in_order_of_declaration() -> None:
    declared = [
        f"{group.name}.{item.name}"
        for group in dataclasses.fields(Settings)
        for item in dataclasses.fields(getattr(Settings(), group.name))
    ]
    assert [name for name, _, _ in EVERY] == declared
    assert len(set(declared)) == len(declared)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("filter.particle_max", "filter.particles_max"),
        ("fliter.kld_error", "filter.kld_error"),
        ("road.decorelation", "road.decorrelation"),
        ("depth.rangemax", "depth.range_max"),
        ("seed", "runtime.seed"),
    ],
)
def test_an_unknown_name_is_refused_and_the_nearest_named(wrong: str, near: str) -> None:
    with pytest.raises(SettingsError) as error:
        with_values(Settings(), {wrong: 1})
    assert f"unknown setting {wrong}" in str(error.value)
    assert f"did you mean {near}?" in str(error.value)


@pytest.mark.parametrize(("name", "value", "info"), NUMBERS, ids=[entry[0] for entry in NUMBERS])
def test_numbers_are_taken_up_to_their_range_and_refused_beyond(
    name: str, value: Any, info: Any
) -> None:
    kind = type(value)
    # the two counts bound each other, so that each end is set for both
    both = ("filter.particles_min", "filter.particles_max")
    for end, beyond in (("low", -1), ("high", 1)):
        edge = kind(info[end])
        values = dict.fromkeys(both, edge) if name in both else {name: edge}
        shared = [entry for entry in NUMBERS if entry[0] in values]
        if all(other["low"] <= edge <= other["high"] for _, _, other in shared):
            assert value_of(with_values(Settings(), values), name) == edge
        step = 1 if kind is int else max(1e-9, abs(edge) * 1e-6)
        with pytest.raises(SettingsError, match=name.replace(".", r"\.")) as error:
            with_values(Settings(), {name: edge + beyond * step})
        assert "outside" in str(error.value)
    if kind is float:
        with pytest.raises(SettingsError, match="outside"):
            with_values(Settings(), {name: math.nan})


def test_settings_built_by_hand_are_checked_too() -> None:
    filter_ = dataclasses.replace(Settings().filter, kld_error=7.0)
    with pytest.raises(SettingsError, match=r"filter\.kld_error = 7\.0 is outside"):
        Settings(filter=filter_)


def test_fewest_particles_may_not_exceed_the_most() -> None:
    wrong = {"filter.particles_min": 900, "filter.particles_max": 800}
    with pytest.raises(SettingsError, match="particles_min exceeds"):
        with_values(Settings(), wrong)
    equal = with_values(Settings(), {"filter.particles_min": 800, "filter.particles_max": 800})
    assert equal.filter.particles_min == equal.filter.particles_max == 800


def test_words_are_taken_from_their_choices_only() -> None:
    for word in ("auto", "cpu", "cuda"):
        assert with_values(Settings(), {"runtime.device": word}).runtime.device == word
    with pytest.raises(SettingsError, match="use one of auto, cpu, cuda"):
        with_values(Settings(), {"runtime.device": "gpu"})


def test_whole_numbers_are_taken_for_decimals_and_become_them() -> None:
    value = with_values(Settings(), {"road.lateral_sd": 2}).road.lateral_sd
    assert value == 2.0
    assert type(value) is float


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("runtime.seed", True, "a whole number"),
        ("runtime.seed", 1.0, "a whole number"),
        ("runtime.seed", "1", "a whole number"),
        ("road.lateral_sd", True, "a number"),
        ("road.lateral_sd", "2", "a number"),
        ("road.enabled", 1, "true or false"),
        ("road.enabled", "true", "true or false"),
        ("frames.map", 3, "text"),
        ("frames.map", None, "text"),
        ("runtime.seed", [1], "a whole number"),
    ],
)
def test_other_types_are_refused_and_the_right_one_named(
    name: str, value: object, wanted: str
) -> None:
    with pytest.raises(SettingsError, match=f"write {wanted}$"):
        with_values(Settings(), {name: value})


def test_a_wrong_type_is_named_in_words() -> None:
    with pytest.raises(
        SettingsError, match=r"^runtime.seed = 'lots' is text; write a whole number$"
    ):
        with_values(Settings(), {"runtime.seed": "lots"})


def test_only_the_named_values_change_and_the_given_settings_do_not() -> None:
    before = Settings()
    after = with_values(before, {"filter.kld_bin": 3.0, "node.publish_tf": False})
    changed = [name for name, value, _ in EVERY if value_of(after, name) != value]
    assert sorted(changed) == ["filter.kld_bin", "node.publish_tf"]
    assert before == Settings()


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().filter.kld_bin = 2.0  # type: ignore[misc]


def test_a_mapping_changes_a_given_base() -> None:
    base = with_values(Settings(), {"runtime.seed": 5})
    settings = from_mapping({"filter": {"kld_bin": 2.5}}, base)
    assert (settings.runtime.seed, settings.filter.kld_bin) == (5, 2.5)


@pytest.mark.parametrize("section", [3, None, [1], "text"])
def test_a_section_that_is_no_mapping_is_refused(section: object) -> None:
    with pytest.raises(SettingsError, match="filter must be a section"):
        from_mapping({"filter": section})


CHANGES = {"filter": {"particles_min": 123, "kld_bin": 2}, "depth": {"enabled": False}}


@pytest.mark.parametrize(
    "tree",
    [
        CHANGES,
        {"/**": {"ros__parameters": CHANGES}},
        {"/robot/localizer": {"ros__parameters": CHANGES}},
    ],
    ids=["plain", "ros", "ros with a name"],
)
def test_files_are_read_in_plain_and_in_ros_form(tmp_path: Path, tree: dict[str, Any]) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump(tree))
    settings = load(path)
    assert settings == from_mapping(CHANGES)
    assert settings.filter.particles_min == 123
    assert not settings.depth.enabled


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("# nothing\n")
    assert load(path) == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("filter: [", "cannot read settings"),
        ("- 1\n- 2\n", "holds no settings"),
        ("just words", "holds no settings"),
        ("filter:\n  kld_bni: 2.0\n", r"did you mean filter\.kld_bin\?"),
        ("filter: 3\n", "must be a section"),
    ],
)
def test_bad_files_are_refused_with_a_reason(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=message):
        load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read settings from .*nowhere\.yaml"):
        load(tmp_path / "nowhere.yaml")


def test_the_parameter_file_reads_back_as_the_settings_it_was_made_from(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    other = with_values(
        Settings(),
        {
            "node.map": "a map: with 'odd' #name.osm",
            "runtime.seed": 9,
            "road.enabled": False,
            "road.off_road": 1e-6,
            "frames.odom": "yes",
            "start.heading": -1,
        },
    )
    for settings in (Settings(), other):
        path.write_text(to_ros_yaml(settings))
        assert load(path) == settings


def test_the_parameter_file_comments_on_every_setting() -> None:
    lines = to_ros_yaml(Settings()).splitlines()
    for name, _, info in EVERY:
        item = name.split(".")[1]
        above = [
            lines[i - 1] for i, line in enumerate(lines) if line.strip().startswith(f"{item}:")
        ]
        assert any(info["doc"] in comment for comment in above), name
        if info["unit"]:
            assert any(info["unit"] in comment for comment in above), name


def test_the_shipped_parameter_file_is_the_generated_one() -> None:
    text = (ROOT / "config" / "node.yaml").read_text(encoding="utf-8")
    assert text == to_ros_yaml(Settings()), "run: mdps settings --out config/node.yaml"
