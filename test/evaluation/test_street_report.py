from __future__ import annotations

import math

import pytest

from mdps_ros.evaluation import street_report
from mdps_ros.evaluation.street_drives import CURVE_M, StreetRun


def row(name: str, seed: int, error: float, converged: float | None = 20.0, **more: float | None):
    curve = {f"error_at_{d}m_m": error if d <= 300 else None for d in CURVE_M}
    after = None if converged is None else error
    return {
        "name": name,
        "seed": seed,
        "converged_after_m": converged,
        "median_error_m": after,
        "recall_at_5m": None if converged is None else float(error <= 5),
        "longest_wrong_claim_m": 0.0,
        **curve,
        **more,
    }


def test_totals_tell_how_many_drives_converged_and_pool_only_those() -> None:
    rows = [row("a", 0, 1.0), row("a", 1, 3.0, 40.0), row("a", 2, 80.0, None)]
    (total,) = street_report.totals(rows)
    assert (total["drives"], total["converged_drives"]) == (3, 2)
    assert total["converged_after_m"] == 30.0
    assert total["median_error_m"] == 2.0
    assert total["recall_at_5m"] == 1.0


def test_the_worst_drive_is_told_beside_the_mean() -> None:
    rows = [
        row("a", 0, 1.0, longest_wrong_claim_m=0.0, recall_at_5m=1.0),
        row("a", 1, 1.0, longest_wrong_claim_m=25.0, recall_at_5m=0.5),
    ]
    (total,) = street_report.totals(rows)
    assert total["longest_wrong_claim_m"] == 25.0
    assert total["recall_at_5m"] == 0.75
    assert total["recall_at_5m_worst"] == 0.5


def test_a_recall_curve_counts_only_drives_that_go_so_far() -> None:
    rows = [row("a", 0, 0.5), row("a", 1, 4.0), row("a", 2, 60.0)]
    near, far = street_report.recall_curve(rows, 1.0), street_report.recall_curve(rows, 5.0)
    assert near[0] == pytest.approx(1 / 3)
    assert far[CURVE_M.index(300)] == pytest.approx(2 / 3)
    assert math.isnan(far[-1])


def test_rows_of_one_way_stand_together_and_the_page_names_the_command(tmp_path) -> None:
    rows = street_report.grouped([row("b", 1, 1.0), row("a", 0, 1.0), row("b", 0, 2.0)])
    assert [(r["name"], r["seed"]) for r in rows] == [("b", 0), ("b", 1), ("a", 0)]
    street_report.write_page(tmp_path / "h.json", rows, "mdps evaluate helsinki --json h.json")
    page = (tmp_path / "h.md").read_text()
    assert "mdps evaluate helsinki --json h.json" in page
    assert page.count("\n| b |") == 1
    assert (tmp_path / "h.png").stat().st_size > 10_000


def test_a_run_says_its_name_in_words() -> None:
    control = StreetRun(map="imperfect", heading_known=False, own_images=False)
    assert control.name == "mdpf, imperfect map, heading unknown, images of another drive"
