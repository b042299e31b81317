from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdps_ros.core.mapdata import Bounds
from mdps_ros.sim.route import (
    Route,
    RouteStyle,
    build_graph,
    random_route,
    without_buildings,
)

from .town import BOUNDS, RESIDENTIAL, SERVICE, box, network, town

STYLE = RouteStyle(margin_m=10.0)


def draw(roads, seed, length=1500.0, bounds=BOUNDS, style=STYLE) -> Route:
    graph = build_graph(roads, service=style.service)
    return random_route(graph, bounds, length, np.random.default_rng(seed), style)


def goes_the_wrong_way(route: Route, roads) -> bool:
    against = {
        (tuple(end), tuple(start))
        for start, end, oneway in zip(
            roads.start.tolist(), roads.end.tolist(), roads.oneway, strict=True
        )
        if oneway
    }
    legs = zip(route.xy[:-1].tolist(), route.xy[1:].tolist(), strict=True)
    return any((tuple(a), tuple(b)) in against for a, b in legs)


def test_routes_never_go_against_a_oneway_road():
    roads = town(oneway_rows=True)
    assert not any(goes_the_wrong_way(draw(roads, seed), roads) for seed in range(20))
    # The check can fail: a graph that forgets one-way roads goes against them.
    forgetful = replace(roads, oneway=np.zeros_like(roads.oneway))
    assert any(goes_the_wrong_way(draw(forgetful, seed), roads) for seed in range(20))


def test_routes_have_the_length_asked_and_no_u_turns():
    for seed in range(10):
        route = draw(town(), seed)
        assert 1500.0 <= route.length < 1600.0
        step = np.diff(route.xy, axis=0)
        cosine = (step[1:] * step[:-1]).sum(axis=1)
        assert (cosine > -1e-9).all()  # a grid has turns of 90 degrees and none back


def test_equal_seeds_give_equal_routes_and_others_do_not():
    np.testing.assert_array_equal(draw(town(), 4).xy, draw(town(), 4).xy)
    assert draw(town(), 4).xy.tolist() != draw(town(), 5).xy.tolist()


def test_service_roads_are_used_only_when_asked():
    nodes = [(0.0, 0.0), (200.0, 0.0), (200.0, 150.0), (0.0, 150.0)]
    ring = [(0, 1, False, RESIDENTIAL, 6.0), (1, 2, False, RESIDENTIAL, 6.0)]
    ring += [(2, 3, False, RESIDENTIAL, 6.0), (3, 0, False, SERVICE, 6.0)]
    roads = network(nodes, ring)
    bounds = Bounds(-50, -50, 250, 200)
    with pytest.raises(ValueError, match="ask for a shorter drive"):
        draw(roads, 0, 900.0, bounds)
    assert draw(roads, 0, 900.0, bounds, replace(STYLE, service=True)).length >= 900.0


def test_routes_stay_inside_the_margin():
    route = draw(town(), 1, bounds=Bounds(-30.0, -30.0, 350.0, 330.0))
    assert route.xy.min() >= -20.0
    assert route.xy[:, 0].max() <= 340.0
    assert route.xy[:, 1].max() <= 320.0


def test_a_map_without_road_inside_the_margin_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match="larger map or a smaller margin"):
        draw(town(), 0, bounds=Bounds(5.0, 5.0, 70.0, 90.0))


def test_branches_taken_before_are_avoided():
    def share_of_new_road(factor: float) -> float:
        routes = [
            draw(town(), seed, 3000.0, style=replace(STYLE, revisit_factor=factor))
            for seed in range(12)
        ]
        legs = [list(map(tuple, np.hstack([r.xy[:-1], r.xy[1:]]).tolist())) for r in routes]
        return float(np.mean([len(set(each)) / len(each) for each in legs]))

    assert share_of_new_road(0.05) > share_of_new_road(1.0) + 0.05


def test_segments_through_buildings_are_dropped_and_courtyards_are_not():
    roads = town()
    across = box(-5.0, 40.0, 5.0, 60.0, 10.0)  # on the segment (0, 0) - (0, 100)
    left = without_buildings(roads, (across,))
    assert left.count == roads.count - 1
    gone = (left.start == [0, 0]).all(axis=1) & (left.end == [0, 100]).all(axis=1)
    assert not gone.any()
    around = box(-500, -500, 900, 900, 10.0)._replace(
        holes=(np.array([[-100.0, -100], [600, -100], [600, 600], [-100, 600]]),)
    )
    assert without_buildings(roads, (around,)).count == roads.count


def test_junctions_are_nodes_with_three_neighbours():
    route = draw(town(), 2)
    corner = np.isin(route.xy[:, 0], [0, 400]) & np.isin(route.xy[:, 1], [0, 400])
    np.testing.assert_array_equal(route.junction, ~corner)
