"""When the smoother's window is cut, and when it grows again."""

from __future__ import annotations

from mdps_ros.runtime.smoothing.pace import CALM, LATE, SPARED, STEPS, Pace

MANY = SPARED + 1


def after(left_out: list[int], pace: Pace | None = None) -> Pace:
    pace = pace or Pace()
    for count in left_out:
        pace = pace.after_walk(count)
    return pace


def test_walks_in_time_leave_the_whole_window() -> None:
    assert after([0] * 50).part == 1.0


def test_single_hiccups_are_counted_and_cost_nothing() -> None:
    pace = after([3, 0] * 20)
    assert (pace.part, pace.left_out) == (1.0, 60)


def test_every_second_walk_may_be_left_out_for_ever() -> None:
    assert after([SPARED] * 50).part == 1.0


def test_the_window_is_halved_step_by_step_and_not_for_ever() -> None:
    pace, parts = Pace(), []
    for _ in range(LATE * (STEPS + 2)):
        pace = pace.after_walk(MANY)
        parts.append(pace.part)
    assert parts[::LATE][:4] == [1.0, 0.5, 0.25, 0.125]
    assert parts[-1] == 0.5**STEPS


def test_the_window_grows_again_step_by_step() -> None:
    cut = after([MANY] * (2 * LATE))
    assert cut.part == 0.25
    assert after([0] * (CALM - 1), cut).part == 0.25
    assert after([0] * CALM, cut).part == 0.5
    assert after([0] * (2 * CALM), cut).part == 1.0


def test_one_late_walk_puts_the_growing_off() -> None:
    cut = after([MANY] * LATE)
    assert after([0] * (CALM - 1) + [SPARED] + [0] * (CALM - 1), cut).part == 0.5
