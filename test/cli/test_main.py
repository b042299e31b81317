"""The command line as a whole: help, exit codes, one line for every bad input."""

import subprocess
import sys

import pytest
import typer

import mdps_ros
from mdps_ros.cli import main as cli
from mdps_ros.data.errors import BagError

HEAVY = ("torch", "matplotlib", "rosbags", "pyproj", "shapely", "numpy", "scipy")


def test_help_lists_every_command_and_says_what_exit_codes_mean(capsys):
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    for name, command in cli.COMMANDS.items():
        assert name in text
        assert command.help in text
    assert "Exit codes" in text


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from mdps_ros.cli.main import main; main(['--help']); "
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_of_its_own(name, capsys):
    assert cli.main([name, "--help"]) == 0
    assert f"mdps {name}" in capsys.readouterr().out


def test_version_is_that_of_the_package(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.split() == ["mdps", mdps_ros.__version__]


def test_unknown_command_and_option_are_bad_input(capsys):
    assert cli.main(["replya"]) == 2
    assert "replay" in capsys.readouterr().err
    assert cli.main(["replay", "x", "--mapp", "y"]) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["replay", "absent", "--map", "helsinki"], "no bag at absent"),
        (["settings", "--set", "filter.particels_min=3"], "did you mean filter.particles_min"),
        (["settings", "--set", "filter.particles_min"], "write name=value"),
        (["settings", "--settings", "absent.yaml"], "absent.yaml"),
        (["demo", "--heading", "north"], "write known or unknown"),
        (["demo", "--map", "absent.osm"], "absent.osm"),
    ],
)
def test_bad_input_is_one_line_and_code_2(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert error.startswith("mdps: ")
    assert "\n" not in error


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (BagError("broken; record it again"), 2),
        (typer.Exit(1), 1),
        (KeyboardInterrupt(), 130),
        (SystemExit(3), 3),
        (SystemExit("text"), 1),
    ],
)
def test_ends_map_to_exit_codes(monkeypatch, raised, code):
    def end():
        raise raised

    monkeypatch.setattr("mdps_ros.cli.settings.settings", end)
    assert cli.main(["settings"]) == code


def test_programming_errors_are_not_dressed_up(monkeypatch):
    def end():
        raise ValueError("shapes differ")

    monkeypatch.setattr("mdps_ros.cli.settings.settings", end)
    with pytest.raises(ValueError, match="shapes differ"):
        cli.main(["settings"])


def test_runs_as_a_module(mdps):
    assert mdps("--version").stdout.split() == ["mdps", mdps_ros.__version__]
