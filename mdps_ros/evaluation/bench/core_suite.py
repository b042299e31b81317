"""Suite `core`: the particle step, the choice of ancestors, the density of a kernel mixture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from mdps_ros.core import estimates, filtering, mixture, resampling
from mdps_ros.core.kernels import pose_kernel
from mdps_ros.core.types import MixtureBelief, StepInputs
from mdps_ros.evaluation.bench.baselines import dense_log_prob
from mdps_ros.evaluation.bench.car import CarModel, car_peer, car_pydpf
from mdps_ros.evaluation.bench.peers import beside
from mdps_ros.evaluation.bench.timing import Case, Contender, Setup
from mdps_ros.models.motion import Control
from mdps_ros.models.prior import PosePrior
from mdps_ros.models.vehicle import VehicleModel
from mdps_ros.settings import Settings

BANDWIDTH = (1.5, 1.5, 0.05)  # m, m, rad^2: the width of a tracked belief's mixture
SPREADS = (10.0, 100.0, 1000.0)  # m, standard deviation of a cloud per axis


def cases(setup: Setup) -> Iterator[Case]:
    """All cases of the suite."""
    counts = (100,) if setup.small else (1_000, 10_000, 100_000)
    for count in counts:
        yield car_step(setup, count)
        yield vehicle_step(setup, count)
        yield ancestors(setup, count)
    for count in (50,) if setup.small else (250, 1000, 4000):
        for spread in SPREADS[:1] if count == 250 else SPREADS:
            yield density(setup, count, spread)


def car_step(setup: Setup, count: int) -> Case:
    """A bootstrap filter's step, the same for us and for the peers."""
    generator = torch.Generator(setup.device).manual_seed(0)
    model = CarModel()
    resampler = resampling.IndexResampler(resampling.systematic)
    belief = filtering.init(model, None, 1, count, generator)
    inputs = StepInputs(None, 1.0, torch.tensor([0.5, 0.2], device=setup.device))

    def step() -> None:
        nonlocal belief
        belief, _ = filtering.step(belief, inputs, model, resampler, generator)
        estimates.moments(belief.state, belief.log_weights)

    peer = beside(
        "particles (SMC, systematic)",
        ("particles", "particles.state_space_models", "particles.distributions"),
        lambda *modules: car_peer(count, *modules),
    )
    dpf = beside(
        "pydpf (systematic)", ("pydpf",), lambda module: car_pydpf(count, setup.device, module)
    )
    name = f"particle step, {count} particles: move, weigh, resample, mean and covariance"
    return Case(name, count, "particle", (Contender("ours", step), peer, dpf))


def vehicle_step(setup: Setup, count: int) -> Case:
    """What the localizer does of each step besides measuring: mixture resampling, calibration."""
    generator = torch.Generator(setup.device).manual_seed(0)
    settings = Settings()
    model = VehicleModel(settings.motion, settings.map_error)
    width, yaw = settings.filter.bandwidth_position, settings.filter.bandwidth_yaw
    kernel = pose_kernel(torch.tensor([width, width, yaw**2], device=setup.device))
    resampler = resampling.MixtureResampler(kernel)
    prior = PosePrior(_zeros(3), _diagonal((25.0, 25.0, 0.04)))
    belief = filtering.init(model, prior, 1, count, generator)
    increment = torch.tensor([[3.0, 0.0, 0.01]], dtype=torch.float64, device=setup.device)
    control = Control(increment, increment[:, 0], increment.new_tensor([0.4]))
    inputs = StepInputs(control, 0.4, None)

    def step() -> None:
        nonlocal belief
        belief, _ = filtering.step(belief, inputs, model, resampler, generator)
        estimates.moments(belief.state.pose, belief.log_weights)

    note = "self-calibrating motion, draws from the kernel mixture; no peer has either"
    name = f"vehicle step, {count} particles: resample from the mixture, move, mean and covariance"
    return Case(name, count, "particle", (Contender("ours", step, note),))


def _zeros(size: int) -> Any:
    return torch.zeros(size, dtype=torch.float64).numpy()


def _diagonal(values: tuple[float, ...]) -> Any:
    return torch.diag(torch.tensor(values, dtype=torch.float64)).numpy()


def ancestors(setup: Setup, count: int) -> Case:
    """Systematic choice of as many indices as there are weights."""
    generator = torch.Generator(setup.device).manual_seed(0)
    draw = torch.randn(1, count, generator=generator, device=setup.device)
    log_weights = draw.log_softmax(-1)
    weights = log_weights[0].double().softmax(-1).cpu().numpy()
    weights[-1] += 1e-9  # filterpy runs off the end of weights whose sum rounds below one

    def filterpy(module: Any) -> Callable[[], Any]:
        return lambda: module.systematic_resample(weights)

    def particles(module: Any) -> Callable[[], Any]:
        return lambda: module.systematic(weights, count)

    contenders = (
        Contender("ours", lambda: resampling.systematic(log_weights, count, generator)),
        beside("particles", ("particles.resampling",), particles),
        beside("filterpy", ("filterpy.monte_carlo",), filterpy),
    )
    return Case(f"systematic choice of {count} ancestors", count, "index", contenders)


def density(setup: Setup, count: int, spread: float) -> Case:
    """Log-density of the mixture at its own particles; the error is against float64, in nats."""
    generator = torch.Generator(setup.device).manual_seed(0)
    scale = torch.tensor([spread, spread, 1.0], device=setup.device)
    poses = scale * torch.randn(1, count, 3, generator=generator, device=setup.device)
    log_weights = torch.randn(1, count, generator=generator, device=setup.device).log_softmax(-1)
    width = torch.tensor(BANDWIDTH, device=setup.device)
    cloud = MixtureBelief(poses, log_weights, pose_kernel(width))
    exact = dense_log_prob(
        MixtureBelief(poses.double(), log_weights.double(), pose_kernel(width.double())),
        poses.double(),
    )

    def error(found: Tensor) -> float:
        return float((found - exact).abs().max())

    contenders = (
        Contender(
            "ours",
            lambda: mixture.log_prob(cloud, poses),
            error=error(mixture.log_prob(cloud, poses)),
        ),
        Contender(
            "dense",
            lambda: dense_log_prob(cloud, poses),
            "all pairs at once, no clamp",
            error(dense_log_prob(cloud, poses)),
        ),
    )
    name = f"mixture density, {count} x {count}, cloud of {spread:.0f} m"
    slow = 3 if count > 2000 else None
    return Case(name, count * count, "pair", contenders, slow)
