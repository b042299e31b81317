"""What a live run was recorded with reads back as what the session said."""

import json

import numpy as np
import pytest

from mdps_ros.evaluation.recorded import recorded_outputs
from mdps_ros.evaluation.run import RunError, collect_trace
from mdps_ros.runtime.outputs import ParticleSnapshot, PoseEstimate
from mdps_ros.runtime.watching.record import row_of
from mdps_ros.runtime.watching.snapshots import SnapshotPicker, row_of_snapshot


@pytest.fixture
def files(tmp_path, answers):
    """A record of answers and one of particles, as `play_bag` and its companion write them."""
    rows = [row_of(output) for output in answers if isinstance(output, PoseEstimate)]
    picker = SnapshotPicker()
    for output in answers:
        if isinstance(output, ParticleSnapshot):
            picker.offer(output)
    paths = tmp_path / "live.jsonl", tmp_path / "particles.jsonl"
    paths[0].write_text("".join(json.dumps(row) + "\n" for row in rows))
    paths[1].write_text("".join(json.dumps(row_of_snapshot(s)) + "\n" for s in picker.kept))
    return paths


def test_a_recorded_run_equals_the_run_itself(files, run, true_track):
    trace = collect_trace(recorded_outputs(*files), true_track, seconds=1.5)
    for name in ("stamps_ns", "travelled", "estimate", "covariance", "modes", "mode_mass"):
        np.testing.assert_array_equal(getattr(trace, name), getattr(run, name))
    assert trace.states.tolist() == run.states.tolist()
    assert trace.score() == run.score()
    assert len(trace.snapshots) == len(run.snapshots)
    np.testing.assert_allclose(
        trace.snapshots[3].poses, run.snapshots[3].poses, atol=6e-4
    )  # a record keeps millimetres


def test_line_that_was_cut_off_is_left_out(files):
    text = files[0].read_text()
    files[0].write_text(text[:-40])
    assert len(list(recorded_outputs(files[0]))) == len(text.splitlines()) - 1


def test_files_that_are_no_record_are_refused(files, tmp_path):
    lines = files[0].read_text().splitlines()
    files[0].write_text("\n".join(["{broken", *lines]))
    with pytest.raises(RunError, match="line 1 is no record"):
        list(recorded_outputs(files[0]))
    files[0].write_text('{"stamp_ns": 5}\n')
    with pytest.raises(RunError, match="pose"):
        list(recorded_outputs(files[0]))
    with pytest.raises(RunError, match="cannot read"):
        list(recorded_outputs(tmp_path / "absent.jsonl"))
