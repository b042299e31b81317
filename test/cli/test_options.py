"""Words of the command line become settings."""

import math

import pytest

from mdps_ros.cli.main import main
from mdps_ros.cli.options import parse_assignment, read_settings
from mdps_ros.settings import Settings, SettingsError
from mdps_ros.settings_file import load, to_ros_yaml


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("a.b=5", 5),
        ("a.b=5.5", 5.5),
        ("a.b=1e-3", 0.001),
        ("a.b=true", True),
        ("a.b=cpu", "cpu"),
        ("a.b=x=y", "x=y"),
        ("a.b=", ""),
        ('a.b="quoted"', '"quoted"'),
    ],
)
def test_assignments_read_numbers_booleans_and_words(word, value):
    name, found = parse_assignment(word)
    assert name == "a.b"
    assert found == value
    assert type(found) is type(value)


def test_options_win_over_the_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("filter: {particles_min: 500, particles_max: 9000}\nruntime: {seed: 7}\n")
    settings = read_settings(path, ["filter.particles_min=600"], seed=3)
    assert settings.filter.particles_min == 600
    assert settings.filter.particles_max == 9000
    assert settings.runtime.seed == 3
    assert read_settings(path).runtime.seed == 7


def test_heading_is_told_in_degrees_and_kept_in_radians():
    settings = read_settings(heading="270", heading_sd_deg=10.0)
    assert settings.start.heading_known
    assert settings.start.heading == pytest.approx(-math.pi / 2)
    assert settings.start.heading_sd == pytest.approx(math.radians(10.0))
    assert not read_settings(heading="unknown").start.heading_known


@pytest.mark.parametrize("word", ["north", "nan", "inf", ""])
def test_heading_that_is_no_number_is_refused(word):
    with pytest.raises(SettingsError, match="write unknown, or degrees"):
        read_settings(heading=word)


def test_settings_command_prints_what_loads_back(tmp_path, capsys):
    assert main(["settings"]) == 0
    assert capsys.readouterr().out == to_ros_yaml(Settings())
    path = tmp_path / "deep" / "mine.yaml"
    assert main(["settings", "--set", "depth.enabled=false", "--out", str(path)]) == 0
    assert not load(path).depth.enabled
