"""What is claimed of a belief from update to update, and whether the claim is still believed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.frames import compose, inverse
from mdps_ros.runtime.inputs.odometry_buffer import OdometrySample
from mdps_ros.runtime.outputs import Output, PoseEstimate, State, TransformEstimate
from mdps_ros.runtime.recovery.confirmation import Confirmation, unconfirmed_share
from mdps_ros.runtime.recovery.doubt import Doubt, Draw
from mdps_ros.runtime.recovery.search import Recovery, Region
from mdps_ros.settings import Settings

if TYPE_CHECKING:
    from mdps_ros.core.types import Belief
    from mdps_ros.runtime.cameras import Look
    from mdps_ros.runtime.summary import Summary

CALM = 0.5  # part of what makes an alarm, up to which a claimed pose is trusted


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a belief, and since when one hypothesis holds the mass that a claim needs.

    Attributes:
        state: how much is known.
        held_since: m of the odometer at which it got that mass; None while none has it.
    """

    state: State
    held_since: float | None = None

    def after(
        self, held: bool, odometer: float, confirm_distance: float, confirmed: bool
    ) -> Standing:
        """The standing after one more update.

        Args:
            held: whether one hypothesis holds the mass that a claim needs.
            odometer: m.
            confirm_distance: m over which it has to hold it, for a vehicle that was lost.
            confirmed: whether images have nothing against its being claimed.
        """
        if not held:
            return Standing(State.AMBIGUOUS if self.state is State.TRACKING else self.state)
        since = odometer if self.held_since is None else self.held_since
        unsure = self.state is State.RECOVERING and odometer - since < confirm_distance
        return Standing(self.state if unsure or not confirmed else State.TRACKING, since)


class Claims:
    """Makes estimates of a belief's numbers, and tells when the vehicle is lost.

    Args:
        settings: the whole tree.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._standing = Standing(State.UNINITIALIZED)
        self._doubt = Doubt()
        self._recovery = Recovery(settings.recovery)
        self._confirmation = Confirmation()

    @property
    def state(self) -> State:
        """How much is known."""
        return self._standing.state

    @property
    def confirmed(self) -> bool:
        """Whether nothing is against a claim; else less is told of what would do for one."""
        return not self._confirmation.open

    def adopt(self, settings: Settings) -> None:
        """Judge by other settings from now on; what stands, stands."""
        self._settings = settings
        self._recovery.adopt(settings.recovery)

    def begin(self, state: State = State.GLOBAL, told: bool = False) -> None:
        """Another belief, of a vehicle that is not lost: what was known before is forgotten.

        Args:
            state: how much is known.
            told: whether the place was told; else a search has to find it.
        """
        self._recovery.forget()
        self._begin(state, told or state in (State.TRACKING, State.AMBIGUOUS))

    def look(self, look: Look, belief: Belief, share: float, around: Draw) -> None:
        """Take an image that the belief was weighed by; see `Doubt.look`."""
        self._confirmation.look()
        if self._standing.held_since is not None:
            self._doubt.look(look, belief, share, around)

    def hear(self, place: Look, belief: Belief, share: float, around: Draw) -> None:
        """Take a place that was told, such as a GNSS fix: it speaks for a claim, as images do.

        It never raises an alarm: in streets fixes may be wrong together for long.
        """
        if self._standing.held_since is not None:
            self._doubt.look(place, belief, share, around, alarms=False)

    def report(
        self,
        now: OdometrySample,
        summary: Summary,
        fit: float,
        travelled: float,
        names: tuple[str, ...],
    ) -> list[Output]:
        """The estimate of an update, with what follows from it.

        Args:
            now: odometry of the update.
            summary: of the belief.
            fit: mean log-likelihood of the drive by the roads.
            travelled: m since the start of this belief.
            names: of the measurements that took part.
        """
        outputs: list[Output] = []
        mode, before = summary.modes[0], self._standing.state
        held = mode.mass >= self._settings.estimate.claim_mass
        if not held:
            self._doubt.lapse()
        confirmed = self._confirm(held, now.travelled)
        confirm = self._settings.recovery.confirm_distance
        self._standing = self._standing.after(held, now.travelled, confirm, confirmed)
        limit = self._settings.recovery.search_distance
        in_vain = self._recovery.nearby and not held and travelled > limit
        if in_vain or self._worse(fit, 1.0):
            self._standing = Standing(State.LOST)
        if self.state is State.TRACKING:
            if before in (State.GLOBAL, State.RECOVERING):
                where = {"x_m": float(mode.T_map_base[0]), "y_m": float(mode.T_map_base[1])}
                outputs.append(Note(Code.CONVERGED, Severity.INFO, "found the vehicle", where))
            if not self._worse(fit, CALM):
                self._recovery.trust(mode.T_map_base, now.travelled)
        if held and not confirmed:
            summary = _less_sure(summary, self._settings.estimate.claim_mass)
        estimate = PoseEstimate(
            stamp_ns=now.stamp_ns,
            state=self.state,
            travelled=travelled,
            measurements=names,
            against=self._doubt.against,
            support=self._doubt.support,
            **summary._asdict(),
        )
        outputs.append(estimate)
        if self.state is State.TRACKING:
            T_map_odom = compose(summary.T_map_base, inverse(now.T_odom_base))
            outputs.append(TransformEstimate(stamp_ns=now.stamp_ns, T_map_odom=T_map_odom))
        return outputs

    def search(self, odometer: float) -> Region | None:
        """Where to look for a vehicle that is lost; None for everywhere.

        Args:
            odometer: m travelled.
        """
        region = self._recovery.lost(odometer)
        self._begin(State.RECOVERING if self._recovery.pending else State.GLOBAL, told=False)
        return region

    def _confirm(self, held: bool, odometer: float) -> bool:
        """Move the test on by an update: whether nothing is against a claim now."""
        since = self._standing.held_since
        held_for = 0.0 if since is None else odometer - since
        support = self._doubt.support
        return self._confirmation.after(held, support, held_for, self._settings.recovery)

    def _worse(self, fit: float, part: float) -> bool:
        """Whether roads or images speak against the belief by that part of an alarm, or more."""
        against = self._doubt.against > part * self._settings.recovery.contradiction
        return against or fit < part * self._settings.filter.lost_fit

    def _begin(self, state: State, told: bool) -> None:
        self._standing = Standing(state)
        self._doubt.forget()
        self._confirmation = Confirmation(open=not told)


def _less_sure(summary: Summary, claim_mass: float) -> Summary:
    """The same with the part of the belief that an unconfirmed search leaves."""
    part = unconfirmed_share(claim_mass)
    modes = (dataclasses.replace(m, mass=part * m.mass) for m in summary.modes)
    return summary._replace(modes=tuple(modes))
