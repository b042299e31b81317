"""The picture of hindsight shows the search, as long as it lasted for the slowest method."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from mdps_ros.evaluation.smoothing_figure import AFTER_M, COLOURS, draw_hindsight, search_m
from mdps_ros.evaluation.smoothing_frames import MethodFrames


def said(run, wrong_until_m=0.0, off_m=(60.0, 40.0)):
    """A method that claims a place off the truth until some travel, and the right one after."""
    wrong = run.travelled < wrong_until_m
    estimate = run.truth.copy()
    estimate[wrong, :2] += off_m
    count = len(wrong)
    return MethodFrames(
        travelled=run.travelled,
        estimate=estimate,
        truth=run.truth,
        covariance=np.tile(np.eye(3), (count, 1, 1)),
        mass=np.ones(count),
        nll=np.zeros(count),
        pit=np.full((count, 3), 0.5),
        inside=~wrong,
        smoothed=np.ones(count, bool),
        seconds=1.0,
    )


def coloured(image, colour, part):
    """Pixels of a colour in the left (map) or right (curves) of the picture."""
    half = int(image.shape[1] * 5 / 13)
    side = image[:, :half] if part == "map" else image[:, half:]
    return int((np.abs(side - np.array(to_rgb(colour))).max(axis=2) < 0.08).sum())


def test_the_map_ends_a_little_after_the_last_method_has_found_the_vehicle(run):
    methods = {"filter": said(run, 200.0), "lag 3 s": said(run, 120.0)}
    assert search_m(methods) == pytest.approx(200.0 + AFTER_M, abs=2.0)
    assert search_m({"lag 3 s": methods["lag 3 s"]}) == pytest.approx(120.0 + AFTER_M, abs=2.0)


def test_the_map_shows_the_whole_drive_where_a_method_never_arrives(run):
    never = said(run, np.inf)
    assert search_m({"filter": said(run), "lag 3 s": never}) == run.travelled[-1]


def test_wrong_hypotheses_of_the_filter_are_on_the_map_and_in_the_curve(tmp_path, run, helsinki):
    seen = {}
    for name, wrong_m in (("wrong", 200.0), ("right", 0.0)):
        path = tmp_path / name / "a.png"
        draw_hindsight(path, {"filter": said(run, wrong_m), "offline": said(run)}, name, helsinki)
        seen[name] = imread(path)[..., :3]
    hidden = coloured(seen["right"], COLOURS[0], "map")  # under the dots of the other method
    assert coloured(seen["wrong"], COLOURS[0], "map") > 2 * hidden + 200
    assert coloured(seen["wrong"], COLOURS[0], "curves") > 100


def test_hypotheses_elsewhere_are_counted_instead_of_widening_the_map(tmp_path, run, helsinki):
    near, far = said(run, 200.0), said(run, 200.0, off_m=(900.0, 0.0))
    dots = {}
    for name, method in (("near", near), ("far", far)):
        path = tmp_path / f"{name}.png"
        draw_hindsight(path, {"filter": method, "offline": said(run)}, name, helsinki)
        dots[name] = coloured(imread(path)[..., :3], COLOURS[0], "map")
    assert dots["far"] < dots["near"]
