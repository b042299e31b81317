"""How a street looks on a day: light, weather, colours, and what the camera makes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WEATHERS = ("sun", "overcast", "rain", "fog", "night")
_SHARES = (0.45, 0.45, 0.04, 0.03, 0.03)
_GROUND = np.array(
    [
        [0.52, 0.50, 0.47],  # bare
        [0.27, 0.27, 0.28],  # asphalt
        [0.55, 0.53, 0.51],  # pavement
        [0.28, 0.38, 0.16],  # grass
        [0.20, 0.28, 0.33],  # water
        [0.86, 0.86, 0.84],  # marking
        [0.50, 0.49, 0.48],  # kerb
        [0.36, 0.36, 0.38],  # rail
        [0.42, 0.38, 0.34],  # ballast
        [0.32, 0.32, 0.33],  # parking
        [0.50, 0.30, 0.26],  # cycleway
        [0.48, 0.42, 0.34],  # path
        [0.50, 0.48, 0.46],  # building: what shows of it at the foot of walls
    ]
)
_FACADES = np.array(
    [
        [0.78, 0.66, 0.45],
        [0.72, 0.60, 0.50],
        [0.80, 0.76, 0.66],
        [0.62, 0.40, 0.32],
        [0.55, 0.52, 0.50],
        [0.70, 0.70, 0.72],
        [0.75, 0.55, 0.42],
        [0.52, 0.58, 0.50],
        [0.82, 0.80, 0.74],
        [0.45, 0.30, 0.26],
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One day and one camera setting. Colours are linear RGB, about 0 to 1.

    Attributes:
        weather: of WEATHERS.
        ground: (G, 3) colour per label of the ground.
        sun: (3,) unit vector towards the sun.
        sunlight: (3,) colour of direct light; zero without a sun.
        ambient: brightness of the sky's light.
        horizon: (3,) colour of the sky low down, and of haze.
        zenith: (3,) colour of the sky above.
        haze: 1/m.
        seed: of noise textures.
        exposure: gain.
        gamma: tone curve.
        white: (3,) gain per colour.
        blur_px: standard deviation of the blur.
        noise: standard deviation of the pixels, of 1.
        dirt: number of spots on the lens.
        streaks: number of rain streaks.
        wet: how much the ground mirrors, 0 to 1.
    """

    weather: str
    ground: NDArray[np.float32]
    sun: NDArray[np.float32]
    sunlight: NDArray[np.float32]
    ambient: float
    horizon: NDArray[np.float32]
    zenith: NDArray[np.float32]
    haze: float
    seed: int
    exposure: float
    gamma: float
    white: NDArray[np.float32]
    blur_px: float
    noise: float
    dirt: int
    streaks: int
    wet: float


def draw_look(generator: np.random.Generator, weather: str | None = None) -> Look:
    """Draw a look.

    Args:
        generator: source of randomness.
        weather: of WEATHERS; None draws one, mostly sun or clouds.

    Raises:
        ValueError: no such weather.
    """
    if weather is None:
        weather = str(generator.choice(WEATHERS, p=_SHARES))
    if weather not in WEATHERS:
        raise ValueError(f"weather {weather!r} is unknown; use one of {', '.join(WEATHERS)}")
    tint = generator.uniform(0.8, 1.2, (len(_GROUND), 1))
    ground = _GROUND * tint * generator.uniform(0.95, 1.05, _GROUND.shape)
    ground[1] *= generator.uniform(0.75, 1.35)
    ground[5] *= generator.uniform(0.7, 1.05)
    wet = weather == "rain"
    azimuth = generator.uniform(0.0, 2 * math.pi)
    height = math.radians(generator.uniform(15.0, 55.0))
    sun = [
        math.cos(height) * math.cos(azimuth),
        math.cos(height) * math.sin(azimuth),
        math.sin(height),
    ]
    sunlight, ambient, horizon, zenith = _light(generator, weather)
    return Look(
        weather=weather,
        ground=(ground * (0.75 if wet else 1.0)).astype(np.float32),
        sun=np.array(sun, np.float32),
        sunlight=sunlight.astype(np.float32),
        ambient=ambient,
        horizon=horizon.astype(np.float32),
        zenith=zenith.astype(np.float32),
        haze=generator.uniform(0.02, 0.045)
        if weather == "fog"
        else generator.uniform(0.0005, 0.005),
        seed=int(generator.integers(1 << 16)),
        exposure=generator.uniform(0.8, 1.3),
        gamma=generator.uniform(0.8, 1.25),
        white=generator.uniform(0.93, 1.07, 3).astype(np.float32),
        blur_px=generator.uniform(0.0, 0.9),
        noise=generator.uniform(0.02, 0.05)
        if weather == "night"
        else generator.uniform(0.004, 0.03),
        dirt=int(generator.integers(1, 5)) if generator.random() < 0.15 else 0,
        streaks=int(generator.integers(30, 120)) if wet else 0,
        wet=generator.uniform(0.4, 1.0) if wet else 0.0,
    )


def _light(
    generator: np.random.Generator, weather: str
) -> tuple[NDArray[np.float64], float, NDArray[np.float64], NDArray[np.float64]]:
    """Sunlight, ambient brightness, horizon and zenith."""
    if weather == "sun":
        sunlight = np.array([1.05, 0.98, 0.85]) * generator.uniform(0.7, 1.1)
        horizon = np.array([0.75, 0.83, 0.93]) * generator.uniform(0.85, 1.1)
        zenith = np.array([0.3, 0.5, 0.85]) * generator.uniform(0.8, 1.15)
        return sunlight, generator.uniform(0.45, 0.7), horizon, zenith
    if weather == "night":
        horizon = np.array([0.10, 0.09, 0.09]) * generator.uniform(0.6, 1.4)
        return np.zeros(3), generator.uniform(0.22, 0.4), horizon, 0.4 * horizon
    grey = generator.uniform(0.6, 0.95)
    horizon = np.array([grey, grey, 1.02 * grey])
    sunlight = np.ones(3) * generator.uniform(0.0, 0.2)
    dim = 0.75 if weather == "rain" else 1.0
    ambient = dim * generator.uniform(0.8, 1.15)
    return sunlight, ambient, dim * horizon, dim * horizon * generator.uniform(0.75, 1.05)


def draw_facades(count: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Draw the looks of buildings.

    Returns:
        (B, 12): colour (3), storey m, window period m, window width and height as shares, ground
        floor m, its window share, its shade, cornice, how much windows mirror.
    """
    made = np.zeros((count, 12))
    colour = _FACADES[generator.integers(len(_FACADES), size=count)]
    colour = colour * generator.uniform(0.75, 1.15, (count, 1))
    made[:, :3] = np.clip(colour + generator.normal(0.0, 0.04, (count, 3)), 0.1, 0.95)
    ranges = (
        (2.9, 4.0),
        (1.8, 4.2),
        (0.3, 0.7),
        (0.4, 0.7),
        (3.2, 4.6),
        (0.3, 0.85),
        (0.6, 1.1),
        (0.0, 1.0),
        (0.3, 1.3),
    )
    for column, (low, high) in enumerate(ranges, start=3):
        made[:, column] = generator.uniform(low, high, count)
    return made.astype(np.float32)
