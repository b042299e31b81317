"""The grid of nearby segments against brute force, and how roads bend."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mdps_ros.core.mapdata import RoadNetwork
from mdps_ros.models.road_index import MAX_BEND, RoadIndex, build_road_index
from test.models.road_worlds import distances, random_roads, roads

CPU = torch.device("cpu")
REACH, CELL = 14.0, 8.0


def index_of(network: RoadNetwork, nearest: int = 8) -> RoadIndex:
    return build_road_index(network, CPU, cell=CELL, reach=REACH, nearest=nearest)


def candidates_at(index: RoadIndex, points: NDArray[np.float64]) -> NDArray[np.int64]:
    """(P, K) candidate segments; -1 where there are fewer or none."""
    origin = index.origin.numpy().astype(np.float64)
    column, row = np.floor((points - origin) / index.cell).astype(int).T
    slot = index.table.numpy()[row, column]
    found = index.candidates.numpy()[slot]
    return np.where(slot[:, None] >= 0, found, -1)


def near_points(network: RoadNetwork, seed: int, count: int) -> NDArray[np.float64]:
    """Points up to `reach` beside random segments, their ends and the border of the network."""
    rng = np.random.default_rng(seed)
    segment = rng.integers(network.count, size=count)
    share = rng.uniform(size=(count, 1)).round(1)  # ends included
    foot = network.start[segment] + share * (network.end - network.start)[segment]
    angle, away = rng.uniform(-np.pi, np.pi, count), REACH * np.sqrt(rng.uniform(size=count))
    return foot + away[:, None] * np.stack((np.cos(angle), np.sin(angle)), -1)


def check_nearest_is_found(network: RoadNetwork, index: RoadIndex) -> None:
    points = near_points(network, 2, 4000)
    nearest = distances(points, network).argmin(1)
    found = (candidates_at(index, points) == nearest[:, None]).any(1)
    assert found.all(), f"{(~found).sum()} of {len(points)} points miss their nearest segment"


def test_candidates_hold_the_nearest_segment_of_every_point_within_reach() -> None:
    network = random_roads(1, 120)
    check_nearest_is_found(network, index_of(network, nearest=120))


def test_candidates_hold_the_nearest_segment_beyond_the_border_of_the_network() -> None:
    """Points west, east, south and north of all roads, in the grid's outermost cells."""
    network = roads([((0.0, 0.0), (300.0, 0.0)), ((300.0, 0.0), (300.0, 70.0))])
    index = index_of(network)
    for x, y in ((-13.9, 0.0), (313.9, 50.0), (150.0, -13.9), (300.0, 83.9), (309.0, 79.0)):
        point = np.array([[x, y]])
        nearest = distances(point, network).argmin(1)
        assert nearest in candidates_at(index, point), (x, y)


def test_with_too_short_a_reach_candidates_are_missed() -> None:
    network = random_roads(1, 120)
    index = build_road_index(network, CPU, cell=CELL, reach=3.0, nearest=120)
    with pytest.raises(AssertionError):
        check_nearest_is_found(network, index)


def test_candidates_come_by_rising_distance_from_the_cell_and_only_the_nearest_are_kept() -> None:
    network = random_roads(3, 200, size=(300.0, 200.0))
    all_of, few = index_of(network, nearest=200), index_of(network, nearest=3)
    assert few.candidates.shape[1] == 3
    assert torch.equal(few.candidates, all_of.candidates[:, :3])
    rows, columns = np.nonzero(all_of.table.numpy() >= 0)
    centres = all_of.origin.numpy() + (np.stack((columns, rows), -1) + 0.5) * CELL
    away = distances(centres.astype(np.float64), network)
    found = all_of.candidates.numpy()[all_of.table.numpy()[rows, columns]]
    sorted_away = np.where(found >= 0, np.take_along_axis(away, np.maximum(found, 0), 1), np.inf)
    pairs = np.diff(np.where(np.isfinite(sorted_away), sorted_away, 1e9), axis=1)
    assert (pairs >= -1e-4).all()


def test_no_cell_is_listed_that_has_no_road_within_reach() -> None:
    network = random_roads(4, 40)
    index = index_of(network)
    rows, columns = np.nonzero(index.table.numpy() >= 0)
    centres = index.origin.numpy() + (np.stack((columns, rows), -1) + 0.5) * CELL
    away = distances(centres.astype(np.float64), network).min(1)
    assert away.max() <= REACH + CELL * math.sqrt(0.5) + 1e-3
    assert (index.candidates[:, 0] >= 0).all()


def listed_cells(spacing: float) -> int:
    """Cells with candidates of ten parallel streets of 400 m."""
    streets = [((0.0, i * spacing), (400.0, i * spacing)) for i in range(10)]
    return len(index_of(roads(streets)).candidates)


def test_lists_grow_with_the_length_of_road_and_not_with_the_area() -> None:
    """The same ten streets over ten times the area need no more lists; the table is one number
    per cell."""
    near, far = listed_cells(80.0), listed_cells(800.0)
    assert abs(far / near - 1) < 0.15
    single = len(index_of(roads([((0.0, 0.0), (400.0, 0.0))])).candidates)
    double = len(index_of(roads([((0.0, 0.0), (800.0, 0.0))])).candidates)
    assert 1.7 < double / single < 2.1
    sparse = index_of(roads([((0.0, 0.0), (100.0, 0.0)), ((5000.0, 3000.0), (5100.0, 3000.0))]))
    assert sparse.table.dtype == torch.int32
    assert len(sparse.candidates) < 0.005 * sparse.table.numel()


def test_table_of_a_network_that_is_wider_than_high_has_rows_for_y() -> None:
    """Extent, and on either side the reach and two cells: 460 x 100 m."""
    index = index_of(roads([((0.0, 0.0), (400.0, 40.0))]))
    rows, columns = index.table.shape
    assert (rows, columns) == (13, 58)


def test_segments_carry_direction_length_width_and_oneway() -> None:
    network = roads(
        [((1.0, 2.0), (4.0, 6.0)), ((50.0, 0.0), (50.0, -9.0))],
        width=[7.0, 3.5],
        oneway=[False, True],
    )
    expected = [
        [1.0, 2.0, 0.6, 0.8, 5.0, math.atan2(4, 3), 7.0, 0.0],
        [50.0, 0.0, 0.0, -1.0, 9.0, -math.pi / 2, 3.5, 1.0],
    ]
    torch.testing.assert_close(index_of(network).segments[:, :8], torch.tensor(expected))


def test_segments_without_length_are_indexed_and_finite() -> None:
    index = index_of(roads([((5.0, 5.0), (5.0, 5.0)), ((5.0, 5.0), (60.0, 5.0))]))
    assert torch.isfinite(index.segments).all()
    assert 0 in candidates_at(index, np.array([[3.0, 5.0]]))


def test_an_empty_network_is_refused_with_a_remedy() -> None:
    with pytest.raises(ValueError, match=r"no drivable road.*disable"):
        index_of(roads([]))


def bends_at_the_node(
    turn: float, first_reversed: bool, second_reversed: bool
) -> tuple[float, float]:
    """Bend of both segments at the node where a road turns by `turn`."""
    before, after = (-60.0, 0.0), (80.0 * math.cos(turn), 80.0 * math.sin(turn))
    node = (0.0, 0.0)
    one = (node, before) if first_reversed else (before, node)
    other = (after, node) if second_reversed else (node, after)
    segments = index_of(roads([one, other])).segments
    first = segments[0, 8 if first_reversed else 9]
    second = segments[1, 9 if second_reversed else 8]
    far = segments[0, 9 if first_reversed else 8], segments[1, 8 if second_reversed else 9]
    assert far[0] == far[1] == 0.0
    return float(first), float(second)


@pytest.mark.parametrize("turn", [-0.9, -0.2, 0.4, 1.1])
@pytest.mark.parametrize(
    ("first_reversed", "second_reversed"), list(itertools.product([False, True], repeat=2))
)
def test_a_road_bends_by_half_the_turn_where_two_segments_meet(
    turn: float, first_reversed: bool, second_reversed: bool
) -> None:
    """The tangent at the node is the bisector, however the two segments are directed."""
    first, second = bends_at_the_node(turn, first_reversed, second_reversed)
    assert first == pytest.approx(turn / 2, abs=1e-6)
    assert second == pytest.approx(-turn / 2, abs=1e-6)


def test_a_corner_sharper_than_the_limit_is_no_bend() -> None:
    assert bends_at_the_node(MAX_BEND + 0.1, False, False) == (0.0, 0.0)
    assert bends_at_the_node(-MAX_BEND - 0.1, True, False) == (0.0, 0.0)


def test_junctions_of_three_do_not_bend() -> None:
    arms = [((-60.0, 0.0), (0.0, 0.0)), ((0.0, 0.0), (60.0, 20.0)), ((0.0, 0.0), (5.0, 70.0))]
    assert not index_of(roads(arms)).segments[:, 8:].any()
