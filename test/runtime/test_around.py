"""Places around a claim: they lie near it, on what the map has there, and are drawn again alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mdps_ros.models.prior import FreePrior, RoadPrior, sample_prior
from mdps_ros.models.prior_parts import within
from mdps_ros.runtime.recovery import around
from mdps_ros.runtime.recovery.around import Around

CPU = torch.device("cpu")
ORIGIN = np.zeros(2)


@pytest.fixture
def streets(town) -> RoadPrior:
    return RoadPrior(town.roads)


def test_places_lie_on_streets_that_reach_into_the_circle(streets) -> None:
    near = within(streets, ORIGIN, 30.0)
    assert 0 < near.roads.count < streets.roads.count
    poses = Around(3, CPU).draw(streets, ORIGIN, 30.0, 64)
    alike = sample_prior(near, 1, 64, torch.Generator().manual_seed(3))
    assert torch.equal(poses, alike)
    everywhere = Around(3, CPU).draw(streets, ORIGIN, 0.0, 64)
    assert everywhere[0, :, :2].norm(dim=-1).max() > poses[0, :, :2].norm(dim=-1).max()


def test_equal_seeds_draw_equal_places_and_every_draw_is_another(streets) -> None:
    first, second = Around(1, CPU), Around(1, CPU)
    drawn = [first.draw(streets, ORIGIN, 50.0, 8) for _ in range(2)]
    assert torch.equal(drawn[0], second.draw(streets, ORIGIN, 50.0, 8))
    assert not torch.equal(drawn[0], drawn[1])


def test_the_map_is_cut_out_anew_only_after_some_way_or_on_another_map(
    streets, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts: list[float] = []

    def counted(prior, centre, radius):
        cuts.append(float(centre[0]))
        return within(prior, centre, radius)

    monkeypatch.setattr(around, "within", counted)
    places = Around(1, CPU)
    for east in (0.0, 5.0, 12.0, 13.0, 14.0):
        places.draw(streets, np.array([east, 0.0]), 40.0, 8)
    assert cuts == [0.0, 12.0]
    other = FreePrior(np.array([[12.0, 0.0]]), 0.5)
    assert places.draw(other, np.array([12.0, 0.0]), 40.0, 8).shape == (1, 8, 3)
    assert cuts == [0.0, 12.0, 12.0]


def test_where_nothing_can_be_driven_on_there_are_no_places(streets) -> None:
    assert Around(1, CPU).draw(streets, np.array([5000.0, 0.0]), 30.0, 8) is None
