"""The moving picture of a run: from the whole map to the vehicle, which it then follows."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from mdps_ros.evaluation import moving_picture
from mdps_ros.evaluation.layout import found_at, frame_of
from mdps_ros.evaluation.moving_picture import draw_moving


@pytest.fixture
def few(monkeypatch):
    for name in ("SEARCH", "GLIDE", "FOLLOW"):
        monkeypatch.setattr(moving_picture, name, 3)


def test_the_window_shrinks_to_the_vehicle_and_follows_it(run, helsinki):
    shots = list(moving_picture._shots(run, helsinki))
    found = frame_of(run, run.snapshots[found_at(run)])
    assert shots[0].window.width >= helsinki.bounds.width
    assert [shot.frame for shot in shots] == sorted(shot.frame for shot in shots)
    assert shots[-1].frame == len(run.stamps_ns) - 1
    follow = [shot for shot in shots if shot.frame > found]
    assert len(follow) == moving_picture.FOLLOW - 1
    for shot in follow:
        assert shot.window.width == pytest.approx(moving_picture.FOLLOW_M)
        x, y, _ = run.estimate[shot.frame]
        assert shot.window.off(x, y) == 0.0


def test_a_glide_goes_from_one_window_to_the_other_and_stays_where_they_hardly_differ(run):
    wide = moving_picture._around(np.array([0.0, 0.0]), 1000.0)
    narrow = moving_picture._around(np.array([300.0, -200.0]), 100.0)
    shot = moving_picture._Shot(0, None, wide, 1)
    ways = [step.window for step in moving_picture._glide(shot, narrow)]
    assert len(ways) == moving_picture.GLIDE - 1
    for before, after in zip([wide, *ways], [*ways, narrow], strict=True):
        assert after.width == pytest.approx(before.width * 10 ** (-1 / moving_picture.GLIDE))
        # each lies within the one before it
        assert before.off(after.min_x, after.min_y) == pytest.approx(0.0, abs=1e-6)
        assert before.off(after.max_x, after.max_y) == pytest.approx(0.0, abs=1e-6)
    assert not list(moving_picture._glide(shot, moving_picture._around(np.ones(2), 1100.0)))


@pytest.mark.parametrize("found", [True, False])
def test_the_file_moves_and_shows_something(few, found, run, helsinki, tmp_path):
    trace = run if found else dataclasses.replace(run, mode_mass=0.5 * run.mode_mass)
    draw_moving(tmp_path / "drive.webp", trace, helsinki)
    with Image.open(tmp_path / "drive.webp") as film:
        pictures = []
        for index in range(film.n_frames):
            film.seek(index)
            pictures.append(np.asarray(film.convert("RGB"), np.float64))
    assert len(pictures) == len(list(moving_picture._shots(trace, helsinki)))
    assert pictures[0].shape[1] == moving_picture.SIZE_PX
    assert all(picture.std() > 5.0 for picture in pictures)
    assert np.abs(pictures[0] - pictures[-1]).mean() > 5.0
