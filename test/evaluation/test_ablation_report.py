"""Ablations on a page: differences are taken drive by drive."""

from __future__ import annotations

import pytest

from mdps_ros.evaluation import ablation_report as report
from mdps_ros.evaluation.street_drives import CURVE_M


def row(name: str, seed: int, error: float | None, nll: float = 0.0):
    curve = {f"error_at_{d}m_m": 1.0 for d in CURVE_M}
    return {
        "name": name,
        "seed": seed,
        "converged_after_m": None if error is None else 10.0,
        "median_error_m": error,
        "nll_after_100m_nats": nll,
        "recall_at_5m_after_100m": 0.5,
        "particles_median": 700 + 100 * seed,
        "particles_max": 4000,
        "longest_wrong_claim_m": 0.0,
        **curve,
    }


ROWS = [
    *(row("base", seed, error) for seed, error in enumerate((1.0, 2.0, 6.0))),
    *(row("night", seed, error) for seed, error in enumerate((1.5, 3.5, None))),
    row("clean map", 0, 0.5),
    row("clean, roads shifted 2 m", 0, 0.75),
]


def test_differences_are_of_the_same_drives_with_their_standard_error() -> None:
    """0.5 and 1.5 m: mean 1, standard error 0.5. Unpaired it would be -0.5."""
    assert report.gains(ROWS, "median_error_m", "night", "base") == [0.5, 1.5]
    rows = {found["name"]: found for found in report.differences(ROWS)}
    assert rows["night"]["median_error_m"] == "+1.000 ± 0.500"
    assert rows["night"]["recall_at_5m_after_100m"] == "+0.000 ± 0.000"
    assert rows["clean map"]["median_error_m"] == "-0.500"
    assert "base" not in rows


def test_clean_maps_are_compared_with_the_clean_map() -> None:
    rows = {found["name"]: found for found in report.differences(ROWS)}
    assert rows["clean, roads shifted 2 m"]["median_error_m"] == "+0.250"
    without = [row for row in ROWS if row["name"] != "clean map"]
    assert "clean, roads shifted 2 m" not in {r["name"] for r in report.differences(without)}


def test_totals_count_converged_drives_and_pool_recalls_of_all_drives() -> None:
    night = next(total for total in report.totals(ROWS) if total["name"] == "night")
    assert (night["drives"], night["converged_drives"]) == (3, 2)
    assert night["median_error_m"] == 2.5
    assert night["recall_at_5m_after_100m"] == 0.5
    assert night["particles_median"] == 800


def test_the_page_tells_what_was_changed_and_the_picture_has_a_line_for_each(tmp_path) -> None:
    smoothed = [
        {
            "name": f"x, {method}",
            "seed": 0,
            "filter_seed": 0,
            **dict.fromkeys((*report.SMOOTHER_COLUMNS[2:7], *report.hindsight_report.MEANS), gain),
        }
        for method, gain in (("filter", 1.0), ("offline", 0.25))
    ]
    file = tmp_path / "found.json"
    report.write_page(file, ROWS, smoothed, "mdps evaluate ablations --json found.json")
    page = file.with_suffix(".md").read_text()
    assert "    mdps evaluate ablations --json found.json" in page
    assert "3 simulated drives" in page
    assert "begins with 4000 particles" in page
    assert "| x, offline | 1 | 0.25 |" in page
    assert "-0.750" in page
    assert file.with_suffix(".png").stat().st_size > 10_000
    report.write_page(file, ROWS[:3], [], "mdps")
    assert "Differences" not in file.with_suffix(".md").read_text()
    report.write_page(file, [], smoothed, "mdps")
    assert "\n1 simulated drives" in file.with_suffix(".md").read_text()


@pytest.mark.parametrize("name", report.VARIANTS)
def test_the_page_explains_every_variant(name: str) -> None:
    """By its name, or as one of a family."""
    families = ("particles", "of buildings missing", "roads shifted 2 m", "clean map", "heading")
    text = " ".join(report._INTRODUCTION.split())
    assert name in text or any(family in name and family in text for family in families)
