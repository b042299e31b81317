"""A report is complete, readable by other programs, and draws what it should."""

import dataclasses
import json

import numpy as np
import pytest
from evo.tools import file_interface

from mdps_ros.data.trajectory import read_tum
from mdps_ros.evaluation import report
from mdps_ros.evaluation.run import RunError


@pytest.fixture(scope="module")
def written(tmp_path_factory, run, helsinki):
    out = tmp_path_factory.mktemp("report") / "deep"
    row = report.row_of("made up", 4, run)
    files = report.write_report(
        out, run, helsinki, "Made up", row=row, suite="test", command="mdps test"
    )
    return files, row


def test_evo_reads_the_trajectories_and_finds_the_same_error(written, run):
    files, _ = written
    estimate = file_interface.read_tum_trajectory_file(str(files.estimate))
    truth = file_interface.read_tum_trajectory_file(str(files.truth))
    assert estimate.check()[0]
    assert truth.check()[0]
    assert estimate.num_poses == len(run.stamps_ns)
    error = np.linalg.norm(estimate.positions_xyz - truth.positions_xyz, axis=1)
    after = run.travelled >= run.score().converged_after_m
    assert np.median(error[after]) == pytest.approx(run.score().median_error_m, abs=1e-6)


def test_trajectories_keep_stamps_and_headings(written, run):
    stamps, poses = read_tum(written[0].estimate)
    assert stamps.tolist() == run.stamps_ns.tolist()
    difference = poses[:, 2] - run.estimate[:, 2]
    assert np.abs(np.angle(np.exp(1j * difference))).max() < 1e-9


def test_summary_and_table_hold_the_row(written):
    files, row = written
    content = json.loads(files.summary.read_text())
    assert content["rows"] == [row]
    assert (content["suite"], content["command"], content["seed"]) == ("test", "mdps test", 4)
    table = files.table.read_text()
    assert table.startswith("# Made up")
    assert f"{row['median_error_m']:.4g}" in table


def test_picture_is_a_png_with_content(written):
    from matplotlib.image import imread

    image = imread(written[0].picture)[..., :3]
    assert image.shape[0] > 1500
    magenta = np.array([0xD0, 0x14, 0x7A]) / 255
    assert (np.abs(image - magenta).max(axis=2) < 0.1).sum() > 500  # particles were drawn


def test_run_without_truth_gets_a_report_without_errors(tmp_path, run, helsinki):
    blind = dataclasses.replace(run, truth=np.full_like(run.truth, np.nan))
    row = report.row_of("blind", 0, blind)
    files = report.write_report(
        tmp_path, blind, helsinki, "Blind", row=row, suite="test", command="mdps test"
    )
    assert files.truth is None
    assert files.picture.stat().st_size > 50_000
    assert "median_error_m" not in row


def test_folder_that_cannot_be_written_is_one_clear_error(tmp_path, run, helsinki):
    (tmp_path / "file").write_text("in the way")
    row = report.row_of("x", 0, run)
    with pytest.raises(RunError, match="cannot write the report"):
        report.write_report(
            tmp_path / "file", run, helsinki, "x", row=row, suite="t", command="mdps"
        )
