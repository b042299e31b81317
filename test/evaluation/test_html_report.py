"""The page of a run is whole: one file, figures that hold the run, texts that cannot break it."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from mdps_ros.evaluation.html_curves import STATE_COLOURS
from mdps_ros.evaluation.html_map import MOVED, map_figure
from mdps_ros.evaluation.html_report import MOMENTS, Look, page_data, write_html
from mdps_ros.evaluation.meanings import MEANINGS, meaning
from mdps_ros.evaluation.metrics import errors
from mdps_ros.evaluation.report import row_of
from mdps_ros.runtime.outputs import State

TITLE = "A <drive> & more @DATA@ </script>"


class Page(HTMLParser):
    """Collects ids, texts of scripts, headlines and everything that would be loaded."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.ids: list[str] = []
        self.loaded: list[str] = []
        self.scripts: list[str] = []
        self.headline = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.ids += [values["id"]] if "id" in values else []
        self.loaded += [v for k, v in attrs if k in ("src", "href") and not v.startswith("data:")]
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data
        if self._inside == "h1":
            self.headline += data


def numbers(column):
    """What plotly.js makes of a column: a list, or base64 of a typed array."""
    if isinstance(column, dict):
        kinds = {"f4": np.float32, "f8": np.float64}
        return np.frombuffer(base64.b64decode(column["bdata"]), kinds[column["dtype"]])
    return np.array([np.nan if value is None else value for value in column], float)


@pytest.fixture(scope="module")
def page(tmp_path_factory, run, helsinki):
    path = tmp_path_factory.mktemp("page") / "report.html"
    row = row_of("made up", 4, run)
    looks = [Look(7, b"\xff\xd8jpeg", "at 12 m")]
    write_html(path, run, helsinki, TITLE, row=row, command="mdps test <x>", looks=looks)
    return path


@pytest.fixture(scope="module")
def parsed(page):
    return Page(page.read_text(encoding="utf-8"))


def test_the_page_is_one_file_of_reasonable_size(page, parsed):
    assert 4e6 < page.stat().st_size < 8e6
    assert parsed.loaded == []


def test_texts_are_shown_as_they_are(page, parsed):
    assert parsed.headline == TITLE
    text = page.read_text(encoding="utf-8")
    assert "mdps test &lt;x&gt;" in text
    assert base64.b64encode(b"\xff\xd8jpeg").decode() in text
    assert not re.search(r"@(TITLE|FACTS|LOOKS|LEGEND|ROWS|COMMAND|SCRIPT|PLOTLY)@", text)


def test_scripts_find_the_elements_that_they_ask_for(parsed):
    asked = set(re.findall(r'getElementById\("(\w+)"\)', parsed.scripts[-1]))
    assert asked
    assert asked <= set(parsed.ids)
    assert len(parsed.scripts) == 3


def test_data_of_the_page_is_that_of_the_run(parsed, run):
    data = json.loads(parsed.scripts[1])
    moments = data["moments"]
    assert len(moments) == min(MOMENTS, len(run.stamps_ns))
    assert moments[-1]["travelled"] == pytest.approx(run.travelled[-1], abs=0.01)
    assert moments[-1]["pose"] == pytest.approx(run.estimate[-1], abs=0.001)
    last = errors(run.estimate, run.truth).position_m[-1]
    assert moments[-1]["error"] == pytest.approx(last, abs=0.001)
    assert {moment["state"] for moment in moments} <= data["colours"].keys()
    for moment in moments:
        if moment["cloud"] is not None:
            assert data["clouds"][moment["cloud"]]["seconds"] <= moment["seconds"] + 1e-3
    names = [trace.get("name") for trace in data["map"]["data"]]
    assert names[-len(MOVED) :] == list(MOVED) == data["moved"]


def test_curves_hold_error_and_share(run, helsinki):
    curves = page_data(run, helsinki)["curves"]["data"]
    error = next(trace for trace in curves if trace["name"] == "error")
    share = next(trace for trace in curves if trace["name"] == "share")
    expected = errors(run.estimate, run.truth).position_m
    np.testing.assert_allclose(numbers(error["y"]), np.maximum(expected, 1e-3), rtol=1e-5)
    np.testing.assert_allclose(numbers(share["y"]), run.top_mass, rtol=1e-5)


def test_every_state_has_a_colour():
    assert {state.name for state in State} <= set(STATE_COLOURS)


def test_logarithmic_axes_have_ticks_that_can_be_read(run, helsinki):
    layout = page_data(run, helsinki)["curves"]["layout"]
    particles = layout["yaxis4"]
    ticks = dict(zip(particles["tickvals"], particles["ticktext"], strict=True))
    assert ticks[20000.0] == "20\u2009000"
    low, high = (10.0**end for end in particles["range"])
    assert low < run.particles.min() < run.particles.max() < high
    assert sum(low < tick < high for tick in ticks) >= 3


def test_streets_and_houses_near_the_drive_are_drawn_where_they_are(run, helsinki):
    figure = map_figure(run, helsinki)
    area = {trace.name: trace for trace in figure.data}
    roads = np.stack([area["roads"].x, area["roads"].y], axis=1)
    quads = roads.reshape(-1, 6, 2)[:, :4]
    middle = 0.5 * (helsinki.roads.start + helsinki.roads.end)
    offset = np.linalg.norm(quads.mean(axis=1)[:, None] - middle[None], axis=2)
    assert len(quads) > 100
    assert offset.min(axis=1).max() < 0.01  # each quadrilateral is centred on a segment
    width = np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1)
    nearest = offset.argmin(axis=1)
    np.testing.assert_allclose(width, helsinki.roads.width[nearest], atol=0.01)
    houses = np.stack([area["buildings"].x, area["buildings"].y], axis=1)
    corners = np.concatenate([house.exterior for house in helsinki.buildings])
    known = houses[np.isfinite(houses).all(axis=1)]
    assert len(known) > 500
    distance = np.linalg.norm(known[:50, None] - corners[None], axis=2).min(axis=1)
    assert distance.max() < 0.01


def test_a_run_without_truth_has_a_page_without_errors(tmp_path, run, helsinki):
    blind = dataclasses.replace(run, truth=np.full_like(run.truth, np.nan))
    data = page_data(blind, helsinki)
    assert all(moment["truth"] is moment["error"] is None for moment in data["moments"])
    assert "error" not in {trace.get("name") for trace in data["curves"]["data"]}
    write_html(tmp_path / "x.html", blind, helsinki, "x", row={"name": "x"}, command="x")
    assert json.loads(Page((tmp_path / "x.html").read_text()).scripts[1])["moments"]


def test_every_number_of_a_run_has_a_meaning(run):
    row = row_of("made up", 4, run)
    assert [key for key in row if not meaning(key)] == ["name"]
    assert (
        meaning("heading_recall_at_2deg") == "share of the frames with the heading within 2 degrees"
    )
    assert set(MEANINGS) <= set(row)  # none of a column that is no more


def test_pictures_come_with_a_legend_and_numbers_with_their_meaning(page):
    text = page.read_text(encoding="utf-8")
    assert "houses blue" in text
    assert "<td>seconds</td>" in text
    assert "<td>computing time</td>" in text
