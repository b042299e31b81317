from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from mdps_ros.cli.main import main
from mdps_ros.cli.simulate import simulate, write_simulation
from mdps_ros.data.bag import open_bag
from mdps_ros.maps import load_map

app = typer.Typer()
app.command()(simulate)


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def helsinki():
    return load_map("helsinki")


@pytest.mark.parametrize("camera", ["rgb", "depth"])
def test_equal_seeds_give_equal_bags_and_others_do_not(tmp_path, helsinki, camera):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_simulation(helsinki, 60.0, seed, tmp_path / name, camera=camera)
    content = {name: (tmp_path / name / "drive.mcap").read_bytes() for name in "abc"}
    assert content["a"] == content["b"] != content["c"]


def test_the_command_writes_a_drive_on_the_map(tmp_path, helsinki):
    result = invoke("--length", 80, "--seed", 3, "--out", tmp_path / "bag", "--camera", "none")
    assert result.exit_code == 0, result.output
    assert "80 m" in result.stdout
    bag = open_bag(tmp_path / "bag")
    assert set(bag.topics) == {"/odom", "/ground_truth", "/map_anchor"}
    (anchor,) = (m.message for m in bag.messages(["/map_anchor"]))
    assert anchor.latitude == helsinki.anchor.latitude_deg
    bounds = helsinki.bounds
    for stored in bag.messages(["/ground_truth"]):
        position = stored.message.pose.pose.position
        assert bounds.min_x < position.x < bounds.max_x
        assert bounds.min_y < position.y < bounds.max_y


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--map", "nowhere.osm"), "nowhere.osm"),
        (("--length", "900000"), "shorter drive"),
        (("--length", "3"), "10"),
    ],
)
def test_wrong_input_ends_with_code_2_and_one_line(tmp_path, arguments, words, capsys):
    assert main(["simulate", "--out", str(tmp_path / "bag"), *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert not (tmp_path / "bag").exists()


def test_colour_images_come_with_their_calibration_at_5_hz(tmp_path, helsinki):
    write_simulation(helsinki, 60.0, 1, tmp_path / "bag", camera="rgb")
    bag = open_bag(tmp_path / "bag")
    seconds = (bag.end_ns - bag.start_ns) * 1e-9
    images = [m.message for m in bag.messages(["/camera/color/image_rect"])]
    infos = [m.message for m in bag.messages(["/camera/color/camera_info"])]
    assert len(images) == len(infos) == pytest.approx(5 * seconds, abs=2)
    assert {(image.encoding, image.width, image.height) for image in images} == {
        ("rgb8", infos[0].width, infos[0].height)
    }
    assert min(image.data.std() for image in images) > 5.0  # no frame is of one colour


def test_an_existing_folder_is_not_overwritten(tmp_path, capsys):
    assert main(["simulate", "--length", "60", "--out", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
