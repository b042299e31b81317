from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from mdps_ros.cli.calibrate import app
from mdps_ros.cli.main import main
from mdps_ros.maps import load_map
from mdps_ros.models.depth_cells import CLASSES, ROAD_BINS, ROAD_ONLY
from mdps_ros.models.depth_table import load_table
from mdps_ros.settings import DepthSettings
from mdps_ros.training.depth_fit import fit_table, log_loss, table_views, views
from mdps_ros.training.depth_samples import (
    SampleStyle,
    World,
    displaced,
    displacements,
    drive_of_seed,
)
from mdps_ros.training.depth_table import Tracks, decorrelation
from mdps_ros.training.roadside import CLEARANCE_M

SMALL = ["depth", "--seeds", "2", "--first-seed", "7", "--length", "50"]


def test_the_fit_finds_the_values_that_made_the_choices() -> None:
    # 3000 looks of 8 candidates; the true one is drawn from the softmax of known values.
    generator = np.random.default_rng(11)
    values = np.zeros((2, CLASSES))
    values[0, ROAD_BINS] = 0.5
    values[1, 3] = -0.3
    counts = np.zeros((3000, 8, 2, CLASSES), np.float32)
    counts[..., 0, ROAD_BINS] = generator.integers(0, 5, (3000, 8))
    counts[..., 1, 3] = generator.integers(0, 5, (3000, 8))
    score = np.einsum("fkpc,pc->fk", counts, values)
    chosen = (score + generator.gumbel(size=score.shape)).argmax(1)
    rows = np.arange(3000)
    counts[rows, 0], counts[rows, chosen] = counts[rows, chosen], counts[rows, 0].copy()
    fit = fit_table(counts, ridge=1e-6, smooth=0.0)
    # Standard error about 1 / sqrt(3000 * 2) = 0.013; four of them.
    assert abs(fit.values[0, ROAD_BINS] - 0.5) < 0.055
    assert abs(fit.values[1, 3] + 0.3) < 0.055
    assert fit.log_loss["both"] < np.log(8) - 0.1


def test_views_only_forget_and_never_lose_points() -> None:
    counts = np.random.default_rng(2).integers(0, 4, (3, 2, 2, CLASSES)).astype(np.float32)
    for view in views(counts).values():
        assert np.array_equal(view.sum((-1, -2)), counts[..., :ROAD_ONLY].sum(-1))
    shapes = {name: part.shape for name, part in table_views(np.zeros((2, CLASSES))).items()}
    assert shapes == {name: view.shape[2:] for name, view in views(counts).items()}


def test_log_loss_of_equal_scores_is_chance() -> None:
    assert log_loss(np.zeros((5, 64))) == pytest.approx(np.log(64))
    assert log_loss(np.array([[800.0, 0.0]])) == pytest.approx(0.0)


@pytest.mark.parametrize("repeats", [1, 4, 10])
def test_decorrelation_counts_repeated_looks_once(repeats) -> None:
    # A calibrated look, seen `repeats` times over: 2000 windows of 16 candidates.
    generator = np.random.default_rng(4)
    score = generator.normal(0, 1.5, (2000, 16))
    chosen = (score + generator.gumbel(size=score.shape)).argmax(1)
    rows = np.arange(2000)
    score[rows, 0], score[rows, chosen] = score[rows, chosen], score[rows, 0].copy()
    found = decorrelation([Tracks(repeats * score, np.full(2000, 2.0))])
    assert found == pytest.approx(2.0 * repeats, rel=0.12)


def test_displacements_are_body_frame_moves_of_all_sizes() -> None:
    style = SampleStyle()
    moves = displacements(style, (4000,), np.random.default_rng(1))
    limits = np.array([style.along_m, style.across_m, style.turn_rad])
    assert (np.abs(moves) <= limits).all()
    share = np.abs(moves / limits).max(1)
    assert 0.2 < (share < 0.2).mean() < 0.5
    assert (np.abs(moves).max(0) > 0.95 * limits).all()
    moved = displaced(np.array([1.0, 2.0, np.pi / 2]), np.array([[3.0, 1.0, 0.1]]))
    assert np.allclose(moved, [[0.0, 5.0, np.pi / 2 + 0.1]])


def suburb() -> World:
    city = load_map("suburb")
    return World(city, city.roads, city.buildings, city.bounds)


def test_training_streets_are_lined_and_the_driven_line_stays_free() -> None:
    world, style = suburb(), SampleStyle(length_m=60.0, rate_hz=1.0)
    with_barriers = drive_of_seed(world, 3, DepthSettings(), style)
    again = drive_of_seed(world, 3, DepthSettings(), style)
    assert np.array_equal(with_barriers.drive.poses, again.drive.poses)
    ring = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    rays = np.stack([np.cos(ring), np.sin(ring), 0 * ring], 1).astype(np.float32)
    for x, y, _ in with_barriers.frame_poses[::5]:
        nearest = with_barriers.scene.cast(np.array([x, y, 0.5]), rays).min()
        assert nearest > CLEARANCE_M - 0.2


def test_the_command_writes_a_strict_table_and_repeats_it_byte_for_byte(tmp_path) -> None:
    threads = torch.get_num_threads()
    try:
        for name in ("a.json", "b.json"):
            done = CliRunner().invoke(app, [*SMALL, "--out", str(tmp_path / name)])
            assert done.exit_code == 0, done.output
    finally:
        torch.set_num_threads(threads)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    table = load_table(tmp_path / "a.json")
    command = "mdps calibrate depth --map suburb --seeds 2 --first-seed 7 --length 50"
    assert table.provenance["command"] == command
    assert table.provenance["drives"] == dataclasses.asdict(SampleStyle(length_m=50.0))
    assert "log_loss_left_out_nats" in done.output


def test_a_map_that_is_missing_is_said_in_one_line(tmp_path, capsys) -> None:
    words = ["calibrate", *SMALL, "--map", "nowhere.osm", "--out", str(tmp_path / "x")]
    assert main(words) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("mdps: nowhere.osm")
    assert "\n" not in said
    assert not (tmp_path / "x").exists()
