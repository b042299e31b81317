"""The log and the picture drawn from it."""

from __future__ import annotations

import math
import struct

import cv2
import pytest
from tensorboardX.proto.event_pb2 import Event

from mdps_ros.training.curves import draw_curves
from mdps_ros.training.run_log import BOARD, FILE, RunLog, read_log


def step(iteration: int, loss: float = 1.0, stage: str = "one") -> dict:
    return {
        "stage": stage,
        "iteration": iteration,
        "train_loss": [loss, 2.0],
        "gradient_norm": [3.0, 4.0],
        "learning_rates": {"net": 0.5},
        "skipped": [0, 0],
        "seconds": 0.1,
    }


def validation(iteration: int, value: float, stage: str = "one") -> dict:
    losses = {"validation_loss": [value, 2.0], "best_loss": [value, 2.0]}
    return {"stage": stage, "iteration": iteration, **losses, "seconds": 0.1}


def board_scalars(run_dir) -> list[tuple[str, int, float]]:
    """(tag, step, value) of all event files: records of length, check sum, bytes, check sum."""
    found = []
    for path in sorted((run_dir / BOARD).iterdir()):
        data, place = path.read_bytes(), 0
        while place < len(data):
            (length,) = struct.unpack_from("<Q", data, place)
            event = Event.FromString(data[place + 12 : place + 12 + length])
            place += length + 16
            found += [(v.tag, event.step, v.simple_value) for v in event.summary.value]
    return found


def test_lines_are_json_with_null_for_what_is_not_finite(tmp_path):
    with RunLog(tmp_path) as log:
        log.write(1, step(1, math.nan))
        log.write(2, step(2, math.inf))
        log.write(3, step(3, 0.25))
    assert "NaN" not in (tmp_path / FILE).read_text()
    lines = read_log(tmp_path)
    assert [line["train_loss"][0] for line in lines] == [None, None, 0.25]
    assert lines[0]["learning_rates"] == {"net": 0.5}


def test_a_resumed_log_drops_what_came_after_the_checkpoint(tmp_path):
    with RunLog(tmp_path) as log:
        log.write(1, step(1))
        kept = log.flush()
        log.write(2, step(2, 7.0))
    with RunLog(tmp_path, kept, 1) as log:
        log.write(2, step(2, 8.0))
    assert [line["train_loss"][0] for line in read_log(tmp_path)] == [1.0, 8.0]


def test_tensorboard_gets_the_finite_numbers(tmp_path):
    with RunLog(tmp_path) as log:
        log.write(1, step(1, math.nan))
        log.write(1, validation(1, 0.5))
    found = board_scalars(tmp_path)
    assert ("train_loss/member_1", 1, 2.0) in found
    assert ("gradient_norm/member_0", 1, 3.0) in found
    assert ("learning_rate/net", 1, 0.5) in found
    assert ("validation_loss/member_0", 1, 0.5) in found
    assert not any(tag == "train_loss/member_0" for tag, _, _ in found)


def test_other_ranks_write_nothing(tmp_path):
    with RunLog(None) as log:
        log.write(1, step(1))
        assert log.flush() == 0
    assert list(tmp_path.iterdir()) == []


def test_curves_show_every_stage(tmp_path):
    with RunLog(tmp_path) as log:
        for stage, offset in (("one", 0), ("two", 40)):
            for iteration in range(1, 41):
                loss = math.nan if iteration == 7 else 5.0 / (offset + iteration)
                log.write(offset + iteration, step(iteration, loss, stage))
                if iteration % 10 == 0:
                    log.write(offset + iteration, validation(iteration, loss, stage))
    picture = cv2.imread(str(draw_curves(tmp_path)))
    assert picture.shape[0] > 400
    assert picture.shape[1] > 600
    validation_colour = abs(picture.astype(int) - (0x7A, 0x14, 0xD0)).sum(axis=2) < 60
    columns = validation_colour.any(axis=0).nonzero()[0]
    assert columns.max() - columns.min() > 500  # both stages side by side, not on top of each other


@pytest.mark.parametrize("count", [1, 2])
def test_curves_of_a_very_short_run_are_drawn(tmp_path, count):
    with RunLog(tmp_path) as log:
        log.write(0, validation(0, 1.0))
        for iteration in range(1, count + 1):
            log.write(iteration, step(iteration, 1.0))
    assert draw_curves(tmp_path).stat().st_size > 5000
