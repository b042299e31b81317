"""A car seen by its position: the filtering problem that peers and we solve alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core import estimates

SPEED, TURN = 1.0, 0.02  # m and rad per step
MOVE_SD, TURN_SD = 0.1, 0.02  # m, rad per step
SEEN_SD = 0.5  # m


class CarModel:
    """(x m, y m, yaw rad) that drives an arc with noise and is seen at (x, y)."""

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> Float[Tensor, "B N 3"]:
        """Standard normal poses."""
        del prior
        shape = (batch, count, 3)
        return torch.randn(shape, generator=generator, device=generator.device)

    def propagate(
        self, state: Float[Tensor, "B N 3"], control: Any, dt_s: float, generator: torch.Generator
    ) -> Float[Tensor, "B N 3"]:
        """One step along the arc."""
        del control, dt_s
        noise = torch.randn(state.shape, generator=generator, device=state.device)
        x, y, yaw = state.unbind(-1)
        # noise that is equal in all directions need not be turned
        return torch.stack(
            (
                x + SPEED * yaw.cos() + MOVE_SD * noise[..., 0],
                y + SPEED * yaw.sin() + MOVE_SD * noise[..., 1],
                yaw + TURN + TURN_SD * noise[..., 2],
            ),
            dim=-1,
        )

    def update(
        self, state: Float[Tensor, "B N 3"], measurement: Float[Tensor, " 2"]
    ) -> tuple[Float[Tensor, "B N 3"], Float[Tensor, "B N"]]:
        """Log-density of the position that was seen."""
        error = ((state[..., :2] - measurement) / SEEN_SD).square().sum(-1)
        return state, -0.5 * error - math.log(2.0 * math.pi * SEEN_SD**2)


def car_peer(count: int, particles: Any, spaces: Any, laws: Any) -> Callable[[], Any]:
    """A step of the same filter, and mean and covariance, by the package `particles`."""

    class Car(spaces.StateSpaceModel):  # type: ignore[misc]
        def PX0(self) -> Any:
            return laws.IndepProd(*(laws.Normal() for _ in range(3)))

        def PX(self, t: int, xp: Any) -> Any:
            # noise that is equal in all directions need not be turned: the same law for less
            return laws.IndepProd(
                laws.Normal(loc=xp[:, 0] + SPEED * np.cos(xp[:, 2]), scale=MOVE_SD),
                laws.Normal(loc=xp[:, 1] + SPEED * np.sin(xp[:, 2]), scale=MOVE_SD),
                laws.Normal(loc=xp[:, 2] + TURN, scale=TURN_SD),
            )

        def PY(self, t: int, xp: Any, x: Any) -> Any:
            return laws.IndepProd(
                laws.Normal(loc=x[:, 0], scale=SEEN_SD), laws.Normal(loc=x[:, 1], scale=SEEN_SD)
            )

    seen = [np.array([[0.5, 0.2]])] * 100_000
    bootstrap = spaces.Bootstrap(ssm=Car(), data=seen)
    filter_ = particles.SMC(fk=bootstrap, N=count, resampling="systematic", ESSrmin=1.0)

    def step() -> None:
        next(filter_)
        mean = filter_.W @ filter_.X
        deviations = filter_.X - mean
        (deviations * filter_.W[:, None]).T @ deviations

    return step


def car_pydpf(count: int, device: str, pydpf: Any) -> Callable[[], Any]:
    """The same step by the package `pydpf`, with our motion and likelihood in its filter."""
    generator = torch.Generator(device).manual_seed(0)
    car = CarModel()

    class Prior(pydpf.Module):  # type: ignore[misc]
        def sample(self, batch_size: int, n_particles: int, **data: Any) -> Tensor:
            return car.sample_initial(batch_size, n_particles, None, generator)

    class Motion(pydpf.Module):  # type: ignore[misc]
        def sample(self, prev_state: Tensor, **data: Any) -> Tensor:
            return car.propagate(prev_state, None, 1.0, generator)

    class Sight(pydpf.Module):  # type: ignore[misc]
        def fitness(self, state: Tensor, observation: Tensor, **data: Any) -> Tensor:
            return car.update(state, observation[0])[1]

    model = pydpf.FilteringModel(
        prior_model=Prior(), dynamic_model=Motion(), observation_model=Sight()
    )
    filter_ = pydpf.ParticleFilter(pydpf.SystematicResampler(generator), model)
    seen = torch.tensor([[0.5, 0.2]], device=device)
    state, weight, _ = filter_.initial_proposal(n_particles=count, observation=seen)

    def step() -> None:
        nonlocal state, weight
        with torch.no_grad():
            state, weight, _ = filter_.proposal(
                prev_state=state, prev_weight=weight, observation=seen
            )
            estimates.moments(state, weight)

    return step
