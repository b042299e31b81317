"""Whether a place that a search found may be claimed: a sequential test on what images say of it.

A search keeps the hypothesis that fits best, and on a map with many streets one that only looks
like the true one may do so for a while. It is claimed once images have spoken for it, against the
places around, by a threshold (Wald, Annals of Mathematical Statistics 16, 1945; the evidence is
that of `Doubt`). Places that are measured on the way, such as GNSS fixes, speak for it, too. An
initial pose needs no confirmation, and roads alone give none.
"""

from __future__ import annotations

from dataclasses import dataclass

from mdps_ros.settings import RecoverySettings

UNCONFIRMED = 8 / 9


def unconfirmed_share(claim_mass: float) -> float:
    """What part of a belief that would do for a claim is told until images confirm the place.

    That is less than a claim needs: a search may miss the vehicle.

    Args:
        claim_mass: that a claim needs.
    """
    return UNCONFIRMED * claim_mass


@dataclass(slots=True)
class Confirmation:
    """Of one belief.

    Attributes:
        open: whether it is wanted still.
        seen: whether images took part in the search.
        asked: whether one took part in the present update.
    """

    open: bool = False
    seen: bool = False
    asked: bool = False

    def look(self) -> None:
        """An image takes part in the present update."""
        self.seen = self.asked = True

    def after(
        self, held: bool, support: float, held_for: float, settings: RecoverySettings
    ) -> bool:
        """Whether there is nothing against a claim, at the end of an update.

        Args:
            held: whether one hypothesis holds the mass that a claim needs.
            support: evidence for it, nats.
            held_for: m for which it has held the mass.
            settings: thresholds; the distance counts where images have fallen silent.
        """
        asked, self.asked = self.asked, False
        if held and self.open:
            silent = not asked and (not self.seen or held_for >= settings.confirm_distance)
            self.open = not (silent or support >= settings.confirmation)
        return not self.open
