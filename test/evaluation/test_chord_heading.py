"""Headings from the chords of two tracks."""

from __future__ import annotations

import numpy as np
import pytest

from mdps_ros.evaluation.chord_heading import chord_heading

MOUNTED = np.radians(3.0)  # the sensor looks to the left of where the vehicle goes


def drive(turn: float) -> tuple[np.ndarray, np.ndarray]:
    """(T, 2) positions and (T,) headings of a sensor on a bent way, one metre apart."""
    course = turn * np.sin(np.arange(300) / 40.0)
    step = np.column_stack([np.cos(course), np.sin(course)])
    return np.cumsum(step, axis=0), course + MOUNTED


def odometry_of(positions: np.ndarray, heading: np.ndarray, turned: float) -> np.ndarray:
    """The same track in a frame of its own."""
    cos, sin = np.cos(turned), np.sin(turned)
    away = positions - positions[0]
    return np.column_stack([away @ np.array([[cos, sin], [-sin, cos]]).T, heading - turned])


@pytest.mark.parametrize("turned", [0.0, 1.0, 3.1, -3.1])
def test_the_heading_is_exact_where_the_odometry_is(turned: float) -> None:
    positions, heading = drive(0.8)
    found = chord_heading(positions, odometry_of(positions, heading, turned))
    assert np.abs(np.angle(np.exp(1j * (found - heading)))).max() < 1e-9


def test_the_direction_of_travel_would_take_the_mounting_for_heading() -> None:
    positions, heading = drive(0.0)
    step = np.diff(positions, axis=0)
    course = np.arctan2(step[:, 1], step[:, 0])
    assert np.abs(course - heading[1:]).min() > 0.9 * MOUNTED


def test_noise_of_positions_averages_out_over_the_window() -> None:
    generator = np.random.default_rng(0)
    positions, heading = drive(0.8)
    track = odometry_of(positions, heading, 0.4)
    noisy = positions + generator.normal(0.0, 0.1, positions.shape)
    error = chord_heading(noisy, track) - heading
    one_chord = np.hypot(0.1, 0.1) / 8.0  # rad, one standard deviation across a chord of 8 m
    assert error.std() < one_chord / 3
    assert np.abs(error.mean()) < one_chord / 3


def test_a_track_without_a_chord_is_refused() -> None:
    positions, heading = drive(0.0)
    with pytest.raises(ValueError, match="no chord"):
        chord_heading(positions[:5], odometry_of(positions[:5], heading[:5], 0.0))
