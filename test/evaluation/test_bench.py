"""The bench's bookkeeping by a clock of our own, its file, its suites at tiny sizes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mdps_ros.core import mixture
from mdps_ros.core.kernels import pose_kernel
from mdps_ros.core.mapdata import Bounds
from mdps_ros.core.types import MixtureBelief
from mdps_ros.evaluation import results
from mdps_ros.evaluation.bench import (
    bank_suite,
    baselines,
    grid_city,
    peers,
    report,
    scale_picture,
    suites,
    timing,
)
from mdps_ros.evaluation.bench.timing import Case, Contender, Setup

KEYS = {
    *("suite", "case", "name", "median_ms", "min_ms", "median_ns_per_item", "item", "items"),
    *("rounds", "times_ours", "times_ours_min", "memory_mb", "error", "note"),
}


class FakeWork:
    """Contenders that take as long as they are told, on a clock that only they move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[str] = []

    def clock(self) -> float:
        return self.now

    def takes(self, name: str, seconds: list[float]) -> Callable[[], None]:
        left = iter([0.0] * timing.WARM_UP + seconds)

        def run() -> None:
            self.order.append(name)
            self.now += next(left)

        return run


def test_ratios_are_taken_round_by_round() -> None:
    work = FakeWork()
    # the machine is ten times slower in the second round, which must not show in the ratio
    case = Case(
        "case",
        1000,
        "particle",
        (
            Contender("ours", work.takes("ours", [1.0, 10.0, 2.0])),
            Contender("peer", work.takes("peer", [3.0, 40.0, 6.0]), error=0.5),
        ),
    )
    ours, peer = timing.case_rows("core", case, 3, work.clock)
    assert ours["median_ms"] == 2000.0
    assert ours["min_ms"] == 1000.0
    assert ours["median_ns_per_item"] == 2e6
    assert ours["times_ours"] == 1.0
    assert peer["times_ours"] == 3.0
    assert peer["times_ours_min"] == 3.0
    assert peer["error"] == 0.5
    assert peer["rounds"] == 3


def test_contenders_take_turns_and_the_order_turns_round() -> None:
    work = FakeWork()
    runs = [work.takes("A", [1.0] * 3), work.takes("B", [1.0] * 3)]
    timing.time_in_turn(runs, 3, work.clock)
    assert "".join(work.order[2 * timing.WARM_UP :]) == "ABBAAB"


def test_a_case_may_ask_for_fewer_rounds_but_not_for_more() -> None:
    for rounds, wanted in ((None, 4), (2, 2), (9, 4)):
        work = FakeWork()
        case = Case("case", 1, "run", (Contender("ours", work.takes("A", [1.0] * 4)),), rounds)
        (row,) = timing.case_rows("core", case, 4, work.clock)
        assert row["rounds"] == wanted


def test_who_cannot_run_is_listed_with_the_reason() -> None:
    work = FakeWork()
    absent = peers.beside("nobody", ("particles.no_such_module",), lambda module: module)
    assert absent.run is None
    case = Case("case", 1, "run", (Contender("ours", work.takes("A", [1.0])), absent))
    _, row = timing.case_rows("core", case, 1, work.clock)
    assert row["median_ms"] is None
    assert row["times_ours"] is None
    assert "pip install particles" in str(row["note"])


@pytest.mark.parametrize("suite", sorted(suites.SUITES))
def test_every_suite_runs_and_fills_its_rows(suite: str) -> None:
    rows = list(suites.run([suite], Setup(repeats=1, small=True)))
    assert {frozenset(row) for row in rows} == {frozenset(KEYS)}
    own = [row for row in rows if str(row["name"]).startswith("ours")]
    assert own
    assert all(isinstance(row["median_ms"], float) and row["median_ms"] > 0 for row in own)
    content = report.document(rows, report.machine("cpu"), command="mdps bench")
    json.dumps(content, allow_nan=False)
    assert {"cpu", "cores", "torch", "torch_threads", "load_average"} <= set(content["machine"])
    text = report.markdown(content)
    assert all(str(row["case"]) in text for row in rows)
    assert results.format_value(rows[0]["median_ms"]) in report.line(rows[0])


def test_the_dense_density_is_ours() -> None:
    generator = torch.Generator().manual_seed(0)
    poses = torch.randn(1, 80, 3, generator=generator, dtype=torch.float64)
    log_weights = torch.randn(1, 80, generator=generator, dtype=torch.float64).log_softmax(-1)
    kernel = pose_kernel(torch.tensor([0.5, 0.7, 0.05], dtype=torch.float64))
    cloud = MixtureBelief(poses, log_weights, kernel)
    torch.testing.assert_close(
        baselines.dense_log_prob(cloud, 2 * poses), mixture.log_prob(cloud, 2 * poses)
    )


def test_the_published_match_is_the_sum_over_cells() -> None:
    """On a ramp, where interpolation is exact: features a + b x + c y at half-metre cells."""
    rows, columns, cell, corner = 60, 80, 0.5, (10.0, -5.0)
    x = corner[0] + (torch.arange(columns) + 0.5) * cell
    y = corner[1] + (torch.arange(rows) + 0.5) * cell
    ramp = torch.stack([0.1 * x + 0.0 * y[:, None], 1.0 + 0.2 * y[:, None] + 0.0 * x])
    poses = torch.tensor([[30.0, 8.0, 0.4], [28.0, 10.0, -2.0]])
    cells = torch.tensor([[3.0, 1.0], [5.0, -2.0], [0.0, 0.5]])
    view = torch.tensor([[1.0, 0.5], [-0.3, 2.0], [0.7, 0.1]])
    found = baselines.grid_sample_scores(ramp, corner, cell, poses, cells, view)
    for pose, score in zip(poses.tolist(), found.tolist(), strict=True):
        wanted = 0.0
        for (forward, left), (first, second) in zip(cells.tolist(), view.tolist(), strict=True):
            east = pose[0] + forward * math.cos(pose[2]) - left * math.sin(pose[2])
            north = pose[1] + forward * math.sin(pose[2]) + left * math.cos(pose[2])
            wanted += first * 0.1 * east + second * (1.0 + 0.2 * north)
        assert abs(score - wanted) < 1e-4 * abs(wanted)


def test_our_bank_is_the_textbooks() -> None:
    bank = bank_suite.make_bank(30, 6, 3)
    mean, chol, _ = bank_suite.step(bank, bank.mean, bank.chol)
    wanted_mean, wanted = bank_suite.textbook_step(bank)
    torch.testing.assert_close(mean.double(), wanted_mean, atol=2e-5, rtol=0)
    torch.testing.assert_close((chol @ chol.mT).double(), wanted, atol=2e-5, rtol=0)


def test_torch_kf_does_the_same_work() -> None:
    module = pytest.importorskip("torch_kf", reason="torch-kf is not installed")
    bank = bank_suite.make_bank(30, 6, 3)
    state = bank_suite.torch_kf_step(bank, module)()
    wanted_mean, wanted = bank_suite.textbook_step(bank)
    torch.testing.assert_close(state.mean[..., 0].double(), wanted_mean, atol=1e-3, rtol=0)
    torch.testing.assert_close(state.covariance.double(), wanted, atol=1e-3, rtol=0)


def test_the_picture_takes_the_rows_of_its_quantity(tmp_path: Path) -> None:
    def row(case: str, suite: str = "scale") -> dict[str, Any]:
        return {"suite": suite, "case": case, "median_ns_per_item": 4e7}

    rows = [row("area 1 km2"), row("area 400 km2"), row("lag 3 s"), row("area 2 km2", "core")]
    assert scale_picture.points(rows, "area") == [(1.0, 40.0), (400.0, 40.0)]
    assert scale_picture.points(rows, "lag") == [(3.0, 40.0)]
    scale_picture.picture(rows, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").stat().st_size > 1000


def test_the_made_up_city_is_drawn_where_its_streets_are() -> None:
    city = grid_city.grid_city(1.0)
    assert city.roads.count == 2 * 10 * 11
    tile = city.raster(Bounds(-20.0, -20.0, 80.0, 80.0), 0.5)
    road, building = tile.layer("road_minor"), tile.layer("building")
    assert road[40, 40]
    assert not building[40, 40]
    assert building[140, 140]
    assert not road[140, 140]
