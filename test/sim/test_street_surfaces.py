"""Colours of the ground, of walls and of the sky."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from mdps_ros.sim.street_camera import StreetCamera
from mdps_ros.sim.street_look import draw_facades, draw_look
from mdps_ros.sim.street_shading import LABEL_SKY
from mdps_ros.sim.street_surfaces import ground_colour, wall_colour
from mdps_ros.sim.street_world import render_frame
from test.sim.street_worlds import clear_look, world

PALETTE = np.array([[0.2, 0.2, 0.2], [0.8, 0.8, 0.8]])
CORNER = np.array([-50.0, -50.0])
RIGHT, DOWN = np.array([0.0, -1 / 160, 0.0]), np.array([0.0, 0.0, -1 / 160])


def brightness_ahead(labels: np.ndarray, ray: np.ndarray) -> float:
    base = np.zeros(3)
    start = np.array([0.0, 0.0, 1.6])
    ground_colour(start, ray, RIGHT, DOWN, labels, CORNER, 0.1, PALETTE, base)
    return float(base[0])


def test_ground_of_one_kind_has_its_very_colour() -> None:
    for label in (0, 1):
        labels = np.full((1000, 1000), label, np.uint8)
        for down in (0.05, 0.1, 0.5):
            found = brightness_ahead(labels, np.array([1.0, 0.05, -down]))
            assert math.isclose(found, PALETTE[label, 0], rel_tol=1e-12)


def test_thin_marks_far_away_keep_their_mean_brightness_and_do_not_flicker() -> None:
    # stripes of 0.3 m every metre, across the view, 20 to 32 m away: thinner than a pixel is long
    labels = np.zeros((1000, 1000), np.uint8)
    for start in range(0, 1000, 10):
        labels[:, start : start + 3] = 1
    rays = [np.array([1.0, 0.0, -1.6 / x]) for x in np.arange(20.0, 32.0, 0.013)]
    found = np.array([brightness_ahead(labels, ray) for ray in rays])
    assert abs(found.mean() - (0.2 + 0.3 * 0.6)) < 0.02
    cells = [labels[500, int((1.6 / -ray[2] - CORNER[0]) / 0.1)] for ray in rays]
    single = PALETTE[cells, 0]  # the broken variant: one look per pixel
    assert found.std() < 0.5 * single.std()


def test_windows_end_before_corners_and_before_the_roof() -> None:
    facades = draw_facades(40, np.random.default_rng(0))
    horizon, base, plain = np.full(3, 0.8), np.zeros(3), np.zeros(3)
    for number, facade in enumerate(facades):
        facade[9] = 1.0
        for length, height in ((7.3, 4.0), (20.0, 16.5)):
            wall = np.array([0.0, 0.0, 1.0, 0.0, length, height])
            edges = [(x, z) for x in (0.01, length - 0.01) for z in np.linspace(0.2, height, 9)]
            edges += [(x, height - 0.01) for x in np.linspace(0.0, length, 9)]
            for x, z in edges:
                wall_colour(wall, facade, number, x, 0.0, z, 0.01, horizon, base)
                colour = base / base.sum()
                assert np.allclose(colour, facade[:3] / facade[:3].sum(), atol=1e-6)
            seen = 0
            for x, z in np.random.default_rng(1).uniform((0, 0), (length, height), (60, 2)):
                wall_colour(wall, facade, number, x, 0.0, z, 0.01, horizon, plain)
                seen += not np.allclose(plain / plain.sum(), facade[:3] / facade[:3].sum())
            assert seen > 3  # and there are windows in between


def test_clouds_have_no_seam_in_the_west() -> None:
    """One column of the picture looks exactly west; the columns beside it are like it."""
    place, camera = world(houses=()), StreetCamera(width=321, height=65, pitch_rad=-0.5)
    look = dataclasses.replace(clear_look("overcast"), exposure=0.5)
    pose = np.array([0.0, 0.0, math.pi])
    rng = np.random.default_rng(0)
    frame = render_frame(place, camera, camera.rays(), pose, (0.0, 0.0), look, rng)
    sky = np.flatnonzero((frame.label == LABEL_SKY).all(axis=1))
    jumps = np.abs(np.diff(frame.rgb[sky].astype(float), axis=1)).mean(axis=(0, 2))
    assert jumps[159:161].max() < 3 * np.median(jumps) + 1.0


def test_rain_alone_wets_the_ground_and_wet_ground_mirrors_a_bright_sky() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        assert draw_look(rng, "rain").wet > 0.0
        assert draw_look(rng, "overcast").wet == 0.0
    place, camera = world(houses=()), StreetCamera()
    dry = dataclasses.replace(clear_look("rain"), wet=0.0)
    wet = dataclasses.replace(dry, wet=1.0)
    pose = np.array([-40.0, -1.5, 0.0])
    far, near = ({}, {})
    for name, look in (("dry", dry), ("wet", wet)):
        rng = np.random.default_rng(0)
        frame = render_frame(place, camera, camera.rays(), pose, (0.0, 0.0), look, rng)
        far[name], near[name] = frame.rgb[70, 140:180].mean(), frame.rgb[127, 140:180].mean()
    # Schlick: much at a grazing angle far ahead, next to nothing below the camera
    assert far["wet"] > far["dry"] + 15
    assert near["wet"] < near["dry"] + 8
