"""The page that compares the filter with its smoothers."""

from __future__ import annotations

import statistics

import pytest

from mdps_ros.evaluation import hindsight_report as report


def row(method: str, drive: int, seed: int, error: float | None) -> dict:
    numbers = dict.fromkeys((*report.GAINS, *report.MEANS), error)
    return {"name": f"mdpf, {method}", "seed": drive, "filter_seed": seed, **numbers}


RUNS = ((0, 0, 1.0, 0.5), (0, 1, 2.0, 1.8), (1, 0, 4.0, 4.1))


def rows() -> list[dict]:
    filtered = [row("filter", drive, seed, error) for drive, seed, error, _ in RUNS]
    # in another order, so that pairing by place in the list would fail
    return filtered + [row("lag 3 s", drive, seed, error) for drive, seed, _, error in RUNS[::-1]]


def test_gains_are_differences_of_the_same_run_with_their_standard_error() -> None:
    first, second = report.totals(rows())
    assert first["median_error_m_gain"] is None
    assert second["median_error_m"] == pytest.approx((0.5 + 1.8 + 4.1) / 3)
    gains = [-0.5, -0.2, 0.1]
    error = statistics.stdev(gains) / 3**0.5
    assert second["median_error_m_gain"] == f"{-0.2:+.3f} ± {error:.3f}"


def test_runs_that_never_converged_are_left_out_of_the_gains() -> None:
    some = [*rows(), row("filter", 2, 0, None)]
    some.insert(0, some.pop())
    some.append(row("lag 3 s", 2, 0, None))
    _, second = report.totals(some)
    assert second["runs"] == 4
    assert str(second["median_error_m_gain"]).startswith("-0.200")


def test_the_page_names_the_command_and_how_many_runs(tmp_path) -> None:
    report.write_page(tmp_path / "lag.json", rows(), "mdps evaluate helsinki --lag 3")
    page = (tmp_path / "lag.md").read_text()
    assert "mdps evaluate helsinki --lag 3" in page
    assert "2 drives, 2 filter seeds" in page
    assert page.count("\n| mdpf, lag 3 s |") == 1
