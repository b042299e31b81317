"""One update of the filter: move it, weigh it by all there is, say what comes of it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mdps_ros.models.prior import RegionPrior
from mdps_ros.models.prior_parts import within
from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.cameras import Cameras, Look
from mdps_ros.runtime.events import ImageEvent
from mdps_ros.runtime.inputs.image_queue import too_late
from mdps_ros.runtime.inputs.odometry_buffer import OdometryBuffer, OdometrySample
from mdps_ros.runtime.lineage import TOO_OLD, Lineage, Weighed, moved_back
from mdps_ros.runtime.localizer import Localizer, Motion
from mdps_ros.runtime.outputs import Output, State
from mdps_ros.runtime.places import Places
from mdps_ros.runtime.recovery.around import Around
from mdps_ros.runtime.recovery.claims import Claims
from mdps_ros.runtime.smoothing.frames import FilterFrame
from mdps_ros.runtime.smoothing.smoother import Smoother
from mdps_ros.runtime.stopwatch import Stopwatch
from mdps_ros.runtime.travel import Travel
from mdps_ros.runtime.watching.recent import Recent, Seen
from mdps_ros.settings import Settings

SEARCHING = (State.UNINITIALIZED, State.GLOBAL, State.RECOVERING, State.LOST)
LEAST_SHARE = 1e-6  # of an independent look, beyond rounding, for which a claim is asked again


class Updates:
    """The belief of a session on its way, and who goes over it again.

    Attributes:
        travel: how far it has come.
        claims: what is claimed of it.
        recent: what was seen last, whatever the belief.
        watch: called with what every update leaves for smoothers, and with None where the filter
            begins anew, unless it has searched in vain; None where nobody wants to know.
        smoother: smooths in line; None where nobody does.
        stopwatch: times the stages of an update.
    """

    def __init__(
        self,
        settings: Settings,
        localizer: Localizer,
        cameras: Cameras,
        places: Places,
        odometry: OdometryBuffer,
    ) -> None:
        """Bind the parts.

        Args:
            settings: the whole tree.
            localizer: the filter; starts that come from outside are its owner's.
            cameras: what images say.
            places: where others see the vehicle.
            odometry: where the vehicle was when they did.
        """
        self.travel = Travel()
        self.claims = Claims(settings)
        self.recent = Recent()
        self._lineage = Lineage(settings.runtime.image_late)
        self.watch: Callable[[FilterFrame | None], None] | None = None
        self.smoother: Smoother | None = None
        self.stopwatch = Stopwatch()
        self._recovery = settings.recovery
        self._claimed = False  # whether a place of this belief was claimed
        self._anew = False  # whether the next update is the first one after a search in vain
        self._localizer = localizer
        self._around = Around(settings.runtime.seed, localizer.device)
        self._cameras = cameras
        self._places = places
        self._odometry = odometry

    def adopt(self, settings: Settings) -> None:
        """Go on by other settings; localizer, cameras and places are their owner's."""
        self.claims.adopt(settings)
        self._recovery = settings.recovery
        if self.smoother is not None:
            self.smoother.adopt(settings, self._localizer.map_error)

    def change_map(self, cameras: Cameras) -> None:
        """Go on with what images say on another map; the belief is its owner's."""
        self._cameras = cameras
        self.recent.forget()

    def begin(
        self,
        now: OdometrySample,
        state: State = State.GLOBAL,
        travelled: float = 0.0,
        told: bool = False,
    ) -> None:
        """A belief that came from outside is valid at this odometry.

        Args:
            now: the odometry.
            state: how much is known.
            travelled: m that the belief has come already.
            told: whether the place was told; else a search has to find it.
        """
        self.claims.begin(state, told)
        self._begin(now, travelled)
        self._claimed = told or state not in SEARCHING

    def run(
        self, now: OdometrySample, motion: Motion, image: ImageEvent | None, travelled: float
    ) -> list[Output]:
        """Update the filter.

        Args:
            now: odometry of the update.
            motion: since the update before.
            image: taken then, or None.
            travelled: m since the last image of its kind.
        """
        names, notes = self._advance(now, motion, image, travelled)
        with self.stopwatch.stage("summarise"):
            report = self._report(now, names)
        self._claimed |= self.claims.state is State.TRACKING
        with self.stopwatch.stage("smooth"):
            smoothed = self._smooth(now.stamp_ns)
        lost = self._search(now) if self.claims.state is State.LOST else []
        return [*notes, *report, *lost, *smoothed]

    def _advance(
        self, now: OdometrySample, motion: Motion, image: ImageEvent | None, travelled: float
    ) -> tuple[tuple[str, ...], list[Note]]:
        """Move the filter and weigh by all there is; names of what took part, and notes."""
        notes: list[Note] = []
        look = None
        if image is not None:
            self.travel.looked(type(image), now)
            with self.stopwatch.stage("look at the image"):
                look = self._cameras.bind(image)
        share = look.share(travelled) if look else 0.0
        with self.stopwatch.stage("move and weigh"):
            names = self._localizer.advance(motion, look, share)
        self.travel.last = now
        self.recent.add(Seen(now, look, share * look.between if look else 0.0))
        if look is not None and look.name in names:
            self._lineage.weighed_by(now, look)
            with self.stopwatch.stage("doubt the claim"):
                self.claims.look(look, self._localizer.belief, share, self._elsewhere)
        elif look is not None:
            notes.append(_left_out(look))
        places, told = self._places.take(now, self._odometry)
        for place in places:
            known = self.travel.has_looked(place.name)
            share = place.share(self.travel.since(place.name, now) if known else math.inf)
            self.travel.looked(place.name, now)
            self._localizer.weigh(place, share)
            self.claims.hear(place, self._localizer.belief, share, self._elsewhere)
        self._lineage.add(self._localizer.generation(now))
        return (*names, *(place.name for place in places)), [*notes, *told]

    def late(self, then: OdometrySample, image: ImageEvent, step: float) -> Note | None:
        """Credit an image that is older than the last update to those who descend from then.

        The image after it counted for the way from the one before it, a part of which is this
        one's: that part is taken back, so that both count as if they had come in time.

        Args:
            then: odometry at its stamp.
            image: the image.
            step: m that it must lie apart from other images of its kind.

        Returns:
            Why it was of no use; None where it was used, or lies so near to others that it says
            nothing new.
        """
        last, kind = self.travel.last, type(image)
        why = self._lineage.out_of_reach(then)
        if last is None or why is not None:
            return too_late(image, why or TOO_OLD)
        if self.travel.apart(kind, then) < step:
            return None
        look = self._cameras.bind(image)
        if look is None:
            return None
        found = self._lineage.late(then, look.log_likelihood)
        if found is None:
            return _left_out(look)
        before, after = self.travel.around(kind, then)
        share = look.share(then.travelled - before)
        if share == 0.0:  # it was taken where another one was
            return None
        total, taken = share * found, 0.0
        other = None if after is None else self._lineage.weighed_at(look.name, after)
        if after is not None and other is not None:
            taken = look.share(after - before) - look.share(after - then.travelled)
            taken *= other.part
            total = total - taken * self._said(other, found)
        self.travel.looked(kind, then)
        self._lineage.weighed_by(then, look, self._localizer.credit(total))
        seen_then = look._replace(
            log_likelihood=lambda poses: look.log_likelihood(moved_back(poses, then, last))
        )
        left = share - taken
        if left > LEAST_SHARE:
            self.claims.look(seen_then, self._localizer.belief, left, self._elsewhere)
        return None

    def _said(self, seen: Weighed, unknown: Tensor) -> Tensor:
        """What a look said of the particles of now, to be taken back.

        Args:
            seen: the look.
            unknown: what is taken for it where it cannot be found out any more.
        """
        said = self._lineage.late(seen.now, seen.look.log_likelihood)
        said = unknown if said is None else said
        return torch.where(said.isfinite(), said, 0.0)  # who is out of the question stays so

    def _elsewhere(self, centre: NDArray[np.float64], count: int) -> Tensor | None:
        """So many poses near a place where a vehicle could be."""
        prior, radius = self._localizer.global_prior(None), self._recovery.radius
        return self._around.draw(prior, centre, radius, count)

    def _smooth(self, stamp_ns: int) -> list[Output]:
        """Hand the update to who smooths; the trajectory, when one is due."""
        if self.watch is None and self.smoother is None:
            return []
        frame = self._localizer.frame(stamp_ns)._replace(
            searching=self.claims.state in SEARCHING,
            confirmed=self.claims.confirmed,
            anew=self._anew,
        )
        self._anew = False
        if self.watch is not None:
            self.watch(frame)
        trajectory = None if self.smoother is None else self.smoother.add(frame)
        return [] if trajectory is None else [trajectory]

    def _report(self, now: OdometrySample, names: tuple[str, ...]) -> list[Output]:
        summary, travelled = self._localizer.summary(), self.travel.total(now)
        outputs = self.claims.report(now, summary, self._localizer.fit, travelled, names)
        outputs.append(self._localizer.snapshot(now.stamp_ns))
        return outputs

    def _search(self, now: OdometrySample) -> list[Output]:
        """Start around the last trusted pose, or over the whole map."""
        everywhere = self._localizer.global_prior(None)
        region = self.claims.search(now.travelled)
        near = None if region is None else within(everywhere, region.centre, region.radius)
        if region is not None and near is None:  # nowhere to drive there
            region = self.claims.search(now.travelled)
        self._localizer.start(
            everywhere if near is None else RegionPrior(near, everywhere, self._recovery.elsewhere)
        )
        self._begin(now, in_vain=not self._claimed)
        text = "nothing that is known fits any more; "
        if region is None:
            return [Note(Code.LOST, Severity.WARN, text + "started over the whole map")]
        data = {"radius_m": region.radius}
        data |= {"x_m": float(region.centre[0]), "y_m": float(region.centre[1])}
        text += "searching around the last trusted pose first"
        return [Note(Code.LOST, Severity.WARN, text, data)]

    def _begin(self, now: OdometrySample, travelled: float = 0.0, *, in_vain: bool = False) -> None:
        """Another belief begins; hindsight goes on behind one that has only searched."""
        self.travel.begin(now, travelled)
        self._lineage.forget()
        self._claimed, self._anew = False, in_vain
        if in_vain:
            return
        if self.smoother is not None:
            self.smoother.forget()
        if self.watch is not None:
            self.watch(None)


def _left_out(look: Look) -> Note:
    text = f"the belief covers more map than the {look.name} model holds; left out for now"
    return Note(Code.MODEL_SKIPPED, Severity.INFO, text)
