"""The filter on a map: start from a prior, advance frame by frame, summarise the belief."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mdps_ros.core import filtering
from mdps_ros.core.tempering import bearable_share, weigh_in_parts
from mdps_ros.core.tree import gather_axis
from mdps_ros.core.types import Belief, StepInputs
from mdps_ros.core.weights import masses
from mdps_ros.maps import Map
from mdps_ros.models import map_error
from mdps_ros.models.map_error import on_map
from mdps_ros.models.motion import Control
from mdps_ros.models.prior import MapPrior, Prior, start_count
from mdps_ros.models.road import road_log_likelihood
from mdps_ros.models.vehicle import VehicleModel
from mdps_ros.runtime.cameras import Look, PoseScore
from mdps_ros.runtime.ground import Ground, lay_ground
from mdps_ros.runtime.inputs.odometry_buffer import OdometrySample
from mdps_ros.runtime.lineage import Generation
from mdps_ros.runtime.outputs import ParticleSnapshot
from mdps_ros.runtime.redrawing import redrawing
from mdps_ros.runtime.smoothing.frames import FilterFrame, WeighedScores
from mdps_ros.runtime.summary import Summary, summarise
from mdps_ros.settings import MapErrorSettings, Settings


class Motion(NamedTuple):
    """Odometry between two frames: increment (3,) forward m, left m, yaw rad; metres; seconds."""

    increment: NDArray[np.float64]
    distance: float
    dt: float


class Localizer:
    """Owns belief, models, device and generator; knows neither stamps nor messages.

    Nobody asks a vehicle for gradients: without their bookkeeping a step takes a tenth less.
    """

    def __init__(
        self, map: Map, settings: Settings, device: torch.device, ground: Ground | None = None
    ) -> None:
        """Bind the models to a map.

        Args:
            map: the map; without roads the `road` measurement is off.
            settings: the whole tree.
            device: where particles live.
            ground: the map made ready for that device, where somebody has it; else it is made.

        Raises:
            MapError: the map has neither roads nor free floor to start on.
        """
        self._ground = lay_ground(map, settings, device) if ground is None else ground
        self._device = device
        self._generator = torch.Generator(device).manual_seed(settings.runtime.seed)
        self._belief: Belief | None = None
        self._parents = torch.zeros((1, 0), dtype=torch.long, device=device)
        self._step: tuple[Belief, Control, float, WeighedScores] | None = None
        self._fit = 0.0
        self._begun = 0  # particles that the belief began with
        self.adopt(settings)

    def adopt(self, settings: Settings) -> None:
        """Go on by other settings; the belief stays as it is.

        Args:
            settings: the whole tree; `road.enabled` and `runtime` count no more.
        """
        self._settings = settings
        error = self._ground.map_error(settings.map_error)
        self._model = VehicleModel(settings.motion, error)
        self._redrawing = redrawing(settings.filter, self._device)
        roads, road = self._ground.roads, settings.road
        # bound to these settings: a smoother asks it again when they have changed
        self._road_score: Callable[[Tensor], Tensor] | None = (
            None if roads is None else lambda poses: road_log_likelihood(poses, roads, road)
        )

    @property
    def ground(self) -> Ground:
        """The map, made ready."""
        return self._ground

    @property
    def device(self) -> torch.device:
        """Where particles live."""
        return self._device

    @property
    def started(self) -> bool:
        """True once there is a belief."""
        return self._belief is not None

    @property
    def fit(self) -> float:
        """Mean log-likelihood of the drive by the roads, of late; 0 at the start of a belief."""
        return self._fit

    @property
    def belief(self) -> Belief:
        """The belief over `VehicleState`.

        Raises:
            RuntimeError: before `start`.
        """
        return self._started()

    def global_prior(self, heading: tuple[float, float] | None) -> MapPrior:
        """Uniform over the map's roads, or over its free floor where it has none."""
        return self._ground.prior(heading)

    @torch.inference_mode()
    def start(self, prior: Prior) -> None:
        """Forget the belief and draw a new one."""
        limits = self._settings.filter
        wanted = start_count(prior, limits.start_spacing)
        count = min(max(wanted, 4 * limits.particles_min), limits.particles_max)
        self._belief = filtering.init(self._model, prior, 1, count, self._generator)
        self._step = None
        self._fit = 0.0
        self._begun = count

    @property
    def held(self) -> tuple[Belief, float] | None:
        """The belief and how well the drive fits the roads, for `restore`; None before a start."""
        return None if self._belief is None else (self._belief, self._fit)

    def restore(self, belief: Belief, fit: float) -> None:
        """Go on with a belief that was held once, on this map."""
        state, log_weights = belief
        moved = type(state)(*(leaf.to(self._device) for leaf in state))
        self._belief, self._fit = Belief(moved, log_weights.to(self._device)), fit
        self._step = None
        self._begun = belief.particle_count

    def change_ground(self, ground: Ground, belief: Belief | None) -> None:
        """Go on on another map.

        Args:
            ground: of that map.
            belief: the one of before, in that map's frame; what it thinks of the old map's error
                is forgotten. None: there is no belief until `start`.
        """
        self._ground, self._step, self._belief = ground, None, None
        self.adopt(self._settings)
        if belief is not None:
            error = self._model.map_error
            state = map_error.start(belief.state, error, self._generator, drawn=False)
            self._belief = Belief(state, belief.log_weights)

    @torch.inference_mode()
    def advance(self, motion: Motion, look: Look | None, share: float = 1.0) -> tuple[str, ...]:
        """Resample, move and weigh by every measurement there is.

        Args:
            motion: odometry since the last call; zeros at the first.
            look: what an image says, or None.
            share: how much of an independent look it is.

        Returns:
            Names of the measurements that took part.

        Raises:
            RuntimeError: before `start`.
        """
        control = _control(motion, self._device)
        inputs = StepInputs(control, motion.dt, None)
        before, draw = self._started(), self._redrawing
        count = draw.count(before, self._begun)
        belief, info = filtering.step(
            before, inputs, self._model, draw.resampler, self._generator, count
        )
        predicted, self._parents = belief, info.ancestors
        names: list[str] = []
        scores: list[tuple[float, PoseScore]] = []
        mapped = on_map(belief.state)  # weighing leaves the particles where they are
        looks = min(motion.distance / self._settings.road.decorrelation, 1.0)
        if self._road_score is not None and looks > 0:
            belief = self._weigh_by_road(belief, self._road_score(mapped), looks, motion.distance)
            names.append("road")
            scores.append((looks, self._road_score))
        weighed = None if look is None else self._weigh_by_look(belief, look, share)
        if look is not None and weighed is not None:
            belief = weighed
            names.append(look.name)
            scores.append((share, look.log_likelihood))
        self._belief = belief
        self._step = (predicted, control, motion.dt, WeighedScores(tuple(scores)))
        return tuple(names)

    @torch.inference_mode()
    def weigh(self, look: Look, share: float) -> None:
        """Weigh by one more look after `advance`; smoothers do not see it.

        Raises:
            RuntimeError: before `start`.
        """
        weighed = self._weigh_by_look(self._started(), look, share)
        self._belief = self._started() if weighed is None else weighed

    @torch.inference_mode()
    def credit(self, log_likelihood: Tensor) -> float:
        """Weigh the particles by what the past says, see `Lineage.late`; smoothers do not see it.

        As much of it as leaves `filter.tempering_size` effective particles.

        Args:
            log_likelihood: (1, N) of the particles of now.

        Returns:
            How much of it: 1 for all.

        Raises:
            RuntimeError: before `start`.
        """
        belief, least = self._started(), self._settings.filter.tempering_size
        part = bearable_share(belief.log_weights, log_likelihood, 1.0, least)
        weighed = part.to(log_likelihood)[:, None] * log_likelihood
        self._belief, _ = filtering.update(belief, weighed, self._model)
        return float(part[0])

    def generation(self, now: OdometrySample) -> Generation:
        """The particles after the last `advance`, and who their parents were before it."""
        return Generation(now, self._started().state, self._parents)

    def frame(self, stamp_ns: int) -> FilterFrame:
        """What the last `advance` leaves for a smoother.

        Raises:
            RuntimeError: before the first `advance` of this belief.
        """
        if self._step is None:
            raise RuntimeError("advance the localizer before asking for its last frame")
        predicted, control, dt_s, score = self._step
        return FilterFrame(stamp_ns, predicted, self._started(), control, dt_s, score)

    @property
    def map_error(self) -> MapErrorSettings:
        """The map error that the filter reckons with; none on occupancy maps."""
        return self._model.map_error

    @torch.inference_mode()
    def summary(self) -> Summary:
        """The belief in numbers.

        Raises:
            RuntimeError: before `start`.
        """
        return summarise(self._started(), self._settings.estimate)

    def snapshot(self, stamp_ns: int) -> ParticleSnapshot:
        """The particles as arrays.

        Raises:
            RuntimeError: before `start`.
        """
        belief = self._started()
        poses = belief.state.pose[0].float().cpu().numpy().copy()
        poses[:, 2] = np.arctan2(np.sin(poses[:, 2]), np.cos(poses[:, 2]))
        weights = masses(belief.log_weights)[0].float().cpu().numpy()
        return ParticleSnapshot(stamp_ns=stamp_ns, poses=poses, weights=weights)

    def _started(self) -> Belief:
        if self._belief is None:
            raise RuntimeError("start the localizer before using it")
        return self._belief

    def _weigh_by_look(self, belief: Belief, look: Look, share: float) -> Belief | None:
        """Weigh by an image, in parts where it is too sharp; None where it cannot be scored."""

        def score(belief: Belief) -> Tensor | None:
            poses = belief.state.pose if look.on_earth else on_map(belief.state)
            return look.log_likelihood(poses)

        def weigh(belief: Belief, part: Tensor) -> Belief:
            return filtering.update(belief, part, self._model)[0]

        def redraw(belief: Belief) -> Belief:
            count = self._redrawing.wanted(belief, self._begun)
            drawn = self._redrawing.mixture(*belief, count, self._generator)
            self._parents = gather_axis(self._parents, drawn.ancestors)
            return Belief(drawn.state, drawn.log_weights)

        least = self._settings.filter.tempering_size
        return weigh_in_parts(belief, score, weigh, redraw, share, least)

    def _weigh_by_road(
        self, belief: Belief, score: Tensor, looks: float, distance: float
    ) -> Belief:
        """Weigh by the road network and keep count of how well the drive fits it."""
        weighed, _ = filtering.update(belief, looks * score, self._model)
        fit = float((masses(weighed.log_weights) * score).sum())
        share = 1 - math.exp(-distance / self._settings.filter.lost_distance)
        self._fit += share * (fit - self._fit)
        return weighed


def _control(motion: Motion, device: torch.device) -> Control:
    values = torch.tensor([[*motion.increment, motion.distance, motion.dt]], dtype=torch.float64)
    values = values.to(device)
    return Control(increment=values[:, :3], distance=values[:, 3], dt=values[:, 4])
