"""Where the vehicle is within a region, by what was seen last: localization beside the filter.

A second filter starts with particles drawn from the guess, moved back along the odometry to the
oldest update that is remembered, and goes over these updates, with a look's share between places
(`Look.between`). Whether its answer may be relied upon is asked of the filter's predictions, each
made before the measurement that it is held against, so that it does not help that particles gather
where they fit (the prequential principle; Dawid, JRSS A 147, 1984): with q the mean likelihood at
the predicted particles and r that at places around them, sum(share * log(q / r)) has to exceed the
log-odds of the share that a claim needs. A guess that excludes the true place, or is believed for
its narrowness alone, does not pass. Only images count: roads fit any parallel street as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mdps_ros.models.prior import MovedPrior, PosePrior
from mdps_ros.runtime.cameras import Look
from mdps_ros.runtime.events import InitialPoseEvent
from mdps_ros.runtime.frames import between
from mdps_ros.runtime.ground import Ground
from mdps_ros.runtime.inputs.odometry_buffer import OdometrySample
from mdps_ros.runtime.localizer import Localizer, Motion
from mdps_ros.runtime.outputs import Mode
from mdps_ros.runtime.recovery.doubt import evidence_against
from mdps_ros.runtime.starts import FLOOR
from mdps_ros.runtime.watching.recent import Seen
from mdps_ros.settings import Settings

ASKED = 512  # predicted poses, and as many around them, that a measurement is asked at


class Alignment(NamedTuple):
    """The answer.

    Attributes:
        stamp_ns: time of the newest update, at which the pose is valid.
        T_map_base: (3,) m, m, rad: mean of the heaviest hypothesis.
        covariance: (3, 3) of the whole belief about it.
        modes: hypotheses by falling mass.
        evidence: nats by which images prefer the belief to places around it.
        wanted: nats of it that a reliable answer needs.
        images: that were used.
        reliable: whether one hypothesis has the mass of a claim, and the evidence suffices.
    """

    stamp_ns: int
    T_map_base: NDArray[np.float64]
    covariance: NDArray[np.float64]
    modes: tuple[Mode, ...]
    evidence: float
    wanted: float
    images: int
    reliable: bool

    @property
    def text(self) -> str:
        """The answer in a sentence."""
        share = 100.0 * self.modes[0].mass
        text = f"the best place has {share:.0f} % of the region"
        if not self.images:
            return text + "; without an image nothing speaks for the region itself"
        text += f"; images speak for it by {self.evidence:.1f} nats"
        if self.evidence < self.wanted:
            text += f", {self.wanted:.1f} are wanted: drive on, or give another region"
        elif not self.reliable:
            text += "; other places of the region fit as well: drive on, or give a smaller one"
        return text


def align(
    guess: InitialPoseEvent,
    updates: tuple[Seen, ...],
    ground: Ground,
    settings: Settings,
    device: torch.device,
    go_on: Callable[[], bool] = lambda: True,
) -> Alignment | None:
    """Look for the vehicle around a guess.

    Equal arguments give equal answers; None where it was not to go on to the end.

    Args:
        guess: valid at its stamp, or at the newest update where that is zero or later.
        updates: at least one, along one odometry.
        ground: the map of the looks, made ready for the device.
        settings: the whole tree.
        device: of the looks.
        go_on: asked before each update.
    """
    first, newest = updates[0].now, updates[-1].now
    then = _odometry_at(guess.stamp_ns, updates)
    covariance = np.where(FLOOR > 0, np.maximum(guess.covariance, FLOOR), guess.covariance)
    back = between(then.T_odom_base, first.T_odom_base)
    localizer = Localizer(ground.map, settings, device, ground)
    localizer.start(MovedPrior(PosePrior(guess.T_map_base, covariance), back))
    evidence, images, before = 0.0, 0, first
    for seen in updates:
        if not go_on():
            return None
        motion = _motion(before, seen.now)
        # the first look is an independent one: nothing was seen before it
        share = seen.share if images or seen.look is None else seen.look.between
        localizer.advance(motion, seen.look, share)
        before = seen.now
        found = None if seen.look is None else _evidence(localizer, seen.look)
        if found is not None:
            images, evidence = images + 1, evidence + share * found
    summary = localizer.summary()
    claim = settings.estimate.claim_mass
    wanted = math.log(claim / (1.0 - claim)) if claim < 1.0 else math.inf
    held = summary.modes[0].mass >= claim and localizer.fit >= settings.filter.lost_fit
    return Alignment(
        stamp_ns=newest.stamp_ns,
        T_map_base=summary.T_map_base,
        covariance=summary.covariance,
        modes=summary.modes,
        evidence=evidence,
        wanted=wanted,
        images=images,
        reliable=held and evidence >= wanted,
    )


def _evidence(localizer: Localizer, look: Look) -> float | None:
    """For the prediction of the last update by an image, nats; None where it cannot score it."""
    predicted = localizer.frame(0).predicted
    found = evidence_against(look.log_likelihood, predicted, ASKED, look.on_earth)
    return None if found is None else -found


def _odometry_at(stamp_ns: int, updates: tuple[Seen, ...]) -> OdometrySample:
    """Odometry at a stamp, between updates interpolated, else that of the nearest one."""
    samples = [seen.now for seen in updates]
    if stamp_ns == 0 or stamp_ns >= samples[-1].stamp_ns:
        return samples[-1]
    later = next(index for index, s in enumerate(samples) if s.stamp_ns >= stamp_ns)
    if later == 0:
        return samples[0]
    before, after = samples[later - 1], samples[later]
    share = (stamp_ns - before.stamp_ns) / (after.stamp_ns - before.stamp_ns)
    step = after.T_odom_base - before.T_odom_base
    step[2] = math.remainder(step[2], math.tau)
    return OdometrySample(stamp_ns, before.T_odom_base + share * step, before.travelled)


def _motion(before: OdometrySample, now: OdometrySample) -> Motion:
    increment = between(before.T_odom_base, now.T_odom_base)
    seconds = (now.stamp_ns - before.stamp_ns) * 1e-9
    return Motion(increment, now.travelled - before.travelled, seconds)
