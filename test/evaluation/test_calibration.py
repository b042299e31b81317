"""Figures of calibration of one run and of many, on beliefs whose honesty is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mdps_ros.evaluation import calibration
from mdps_ros.evaluation import calibration_report as report
from mdps_ros.evaluation.calibration import BeliefFrames, figures, inside_region, numbers
from mdps_ros.settings import EstimateSettings

SPREAD = np.array([0.5, 0.3, 0.02])


def believed(count: int, seed: int = 0, *, told: float = 1.0, mass: float = 0.95) -> BeliefFrames:
    """Gaussian beliefs whose errors have SPREAD, told `told` times as wide; right with `mass`."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(count, 3))
    covariance = np.tile(np.diag((told * SPREAD) ** 2), (count, 1, 1))
    below = np.vectorize(lambda value: 0.5 * math.erfc(-value / told / math.sqrt(2.0)))(z)
    right = rng.uniform(size=count) < mass
    return BeliefFrames(
        estimate=-z * SPREAD,
        truth=np.zeros((count, 3)),
        covariance=covariance,
        mass=np.full(count, mass),
        pit=below,
        inside=right,
        reliable=right,
    )


def rows_of(drives: int, frames: int = 200, name: str = "a", **changes) -> list[dict]:
    return [
        {"name": name, "seed": drive, **figures(believed(frames, drive, **changes))}
        for drive in range(drives)
    ]


def total_of(rows: list[dict]) -> dict:
    (total,) = report.totals(report.groups_of(rows))
    return total


def test_an_honest_belief_lies_within_all_bounds() -> None:
    total = total_of(rows_of(30))
    assert total["position_nees_mean"] == pytest.approx(2.0, abs=0.1)
    assert total["heading_nees_mean"] == pytest.approx(1.0, abs=0.06)
    assert total["position_nees_95_share"] == pytest.approx(0.95, abs=0.01)
    assert all(total[f"{name}_within"] for name in report.FIGURES)


@pytest.mark.parametrize("told", [0.5, 2.0])
def test_half_or_twice_the_spread_lies_outside_of_them(told: float) -> None:
    total = total_of(rows_of(30, told=told))
    spread = [name for name in report.FIGURES if name.startswith(("position", "heading", "pit"))]
    assert not any(total[f"{name}_within"] for name in spread if "mean" not in name)
    assert total["position_nees_mean"] == pytest.approx(2.0 / told**2, rel=0.05)


def test_shares_that_promise_too_much_are_told() -> None:
    rows = rows_of(30, mass=0.95)
    assert total_of(rows)["share_calibration_error"] < 0.02
    boast = [row | {"share_bin_inside": _scaled(row["share_bin_inside"], 0.8)} for row in rows]
    total = total_of(boast)
    assert total["share_calibration_error"] == pytest.approx(0.95 * 0.2, abs=0.02)
    assert total["share_calibration_error_within"] == 0


def _scaled(text: str, factor: float) -> str:
    return " ".join(str(factor * value) for value in numbers(text))


def test_frames_are_binned_by_the_share_and_counted_by_hand() -> None:
    said = believed(4)
    estimate = np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 1.0], [0.0, 9.0, 0.0], [0.0, 0.0, 0.0]])
    mass = np.array([0.05, 0.95, 1.0, 1.0 + 1e-7])
    inside = inside_region(estimate, said.truth, EstimateSettings())
    assert inside.tolist() == [True, False, False, True]  # 1 rad off is another hypothesis
    covariance = np.tile(np.eye(3), (4, 1, 1))
    covariance[3] = 0.0
    row = figures(
        BeliefFrames(
            estimate=estimate,
            truth=said.truth,
            covariance=covariance,
            mass=mass,
            pit=np.array([[0.0, 0.0, 0.0], [0.01, 0.5, 0.99], [0.01, 0.5, 1.0], [0.06, 0.0, 1.0]]),
            inside=inside,
            reliable=np.array([False, True, True, False]),
        )
    )
    assert numbers(row["share_bin_frames"]).tolist() == [1, *[0] * 9, 1, 2]
    assert numbers(row["share_bin_inside"]).tolist() == [1, *[0] * 9, 0, 1]
    assert numbers(row["share_bin_within_5m"]).tolist() == [1, *[0] * 9, 1, 1]
    assert numbers(row["share_bin_mass"]).sum() == pytest.approx(mass.sum(), abs=1e-5)
    assert row["claimed_frames"] == 3
    assert row["position_nees_mean"] == pytest.approx((9.0 + 81.0) / 2)
    assert row["position_nees_95_share"] == 0.0  # also where a covariance is none
    assert row["heading_nees_95_share"] == pytest.approx(2 / 3)
    assert numbers(row["pit_longitudinal_counts"]).tolist() == [2, 1, *[0] * 18]
    assert numbers(row["pit_heading_counts"]).tolist() == [*[0] * 19, 3]
    assert (row["reliable_frames"], row["reliable_within_5m_frames"]) == (2, 1)


def test_reliability_tells_frames_and_errors_of_each_bin_that_has_some() -> None:
    """Every second drive is right throughout where half of the belief is, the others never."""
    rows = rows_of(100, frames=50, mass=0.45)
    for row in rows:
        row["share_bin_inside"] = row["share_bin_frames"] if row["seed"] % 2 else "0 " * 12
    (line,) = report.reliability(report.groups_of(rows))
    assert (line["share_from"], line["share_to"], line["frames"]) == (0.4, 0.5, 5000)
    assert line["mean_share"] == pytest.approx(0.45)
    assert line["inside_share"] == pytest.approx(0.5)
    assert line["inside_share_se"] == pytest.approx(0.05, rel=0.1)
    assert report.content([]) == {"calibration": [], "reliability": []}


def test_a_run_that_never_claims_has_no_spread_to_judge() -> None:
    total = total_of(rows_of(3, mass=0.5))
    assert total["position_nees_mean"] is None
    assert total["pit_lateral_distance"] is None
    assert total["pit_lateral_distance_se"] is None
    assert total["share_calibration_error"] is not None


def test_errors_come_from_drives_not_from_frames() -> None:
    """Of 100 drives half are wrong throughout: sqrt(0.25 / 100), however many frames there are."""
    rows = rows_of(100, frames=50)
    for row in rows:
        row["position_nees_95_share"] = float(row["seed"] % 2)
    total = total_of(rows)
    assert total["position_nees_95_share"] == pytest.approx(0.5)
    assert total["position_nees_95_share_se"] == pytest.approx(0.05, rel=0.1)


def test_runs_of_one_drive_count_as_one() -> None:
    rows = rows_of(10)
    thrice = [dict(row) for row in rows for _ in range(3)]
    one, three = total_of(rows), total_of(thrice)
    assert (one["drives"], three["drives"]) == (10, 10)
    for name in report.FIGURES:
        assert three[f"{name}_se"] == pytest.approx(one[f"{name}_se"])


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_distance_of_a_spread_told_wrong_is_that_of_its_integral(factor: float) -> None:
    """u = Phi(z) of a truth whose error is z / factor standard deviations: F(u) is closed."""
    u = np.linspace(0.0, 1.0, 20001)[1:-1]
    z = np.array([_quantile(value) for value in u[::40]])
    true = 0.5 * np.array([math.erfc(-factor * value / math.sqrt(2.0)) for value in z])
    exact = math.sqrt(np.mean((true - u[::40]) ** 2))
    edges = np.array([_quantile(value) for value in np.linspace(0.0, 1.0, 21)[1:-1]])
    at_edges = 0.5 * np.array([math.erfc(-factor * value / math.sqrt(2.0)) for value in edges])
    counts = np.diff(np.concatenate(([0.0], at_edges, [1.0])))
    assert report.pit_distance(counts) == pytest.approx(exact, rel=0.05)
    assert report.pit_distance(counts) == pytest.approx(
        {0.5: 0.1091, 2.0: 0.1129}[factor], abs=1e-4
    )
    assert report.pit_distance(np.ones(20)) == pytest.approx(0.0, abs=1e-9)


def _quantile(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)


def test_rows_of_summaries_are_passed_over_and_sequences_can_be_drives() -> None:
    rows = rows_of(3, name="00 filter") + rows_of(3, name="05 filter")
    summary = {"name": "00 filter median of 3", "seeds": 3, "claimed_frames": 100}
    groups = report.groups_of([*rows, summary], lambda row: ("filter", str(row["name"])[:2]))
    assert [group.name for group in groups] == ["filter"]
    assert len(groups[0].drives.claimed) == 2
    assert groups[0].drives.claimed.sum() == 6 * 200


def test_the_page_has_a_table_with_bounds_and_a_picture(tmp_path) -> None:
    groups = report.groups_of(rows_of(4) + rows_of(4, name="b", told=0.5) + rows_of(1, name="c"))
    text = report.section(tmp_path / "drives.json", groups)
    assert "| bounds | - | 1 to 4 | 0.9 to 0.98 |" in text
    line = next(line for line in text.splitlines() if line.startswith("| b |"))
    assert "±" in line
    assert "(outside)" in line
    assert "±" not in next(line for line in text.splitlines() if line.startswith("| c |"))
    assert "drives_calibration.png" in text
    assert (tmp_path / "drives_calibration.png").stat().st_size > 10_000
    report.write_page(tmp_path / "k.json", groups, "Calibration", "mdps evaluate kitti")
    assert "mdps evaluate kitti" in (tmp_path / "k_calibration.md").read_text()
    assert report.section(tmp_path / "none.json", []) == ""


def test_keys_of_lists_are_those_that_rows_have() -> None:
    assert set(calibration.COUNTS) < figures(believed(5)).keys()
