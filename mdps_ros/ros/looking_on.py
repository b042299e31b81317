"""Who looks on while a node works, and where their pictures and records go."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mdps_ros.maps import Map
from mdps_ros.notes import Note
from mdps_ros.ros.publishing import Publishing
from mdps_ros.runtime.watching.belief_painter import BeliefPainter
from mdps_ros.runtime.watching.bystanders import Bystanders
from mdps_ros.runtime.watching.incident_recorder import IncidentRecorder
from mdps_ros.runtime.watching.overlay_painter import OverlayPainter
from mdps_ros.settings import Settings


def make_bystanders(
    city: Map,
    settings: Settings,
    publishing: Publishing,
    tell: Callable[[Note], None],
    failed: Callable[[str, Exception], object],
) -> Bystanders:
    """Overlays and pictures of the belief for those who listen; records where they are asked for.

    Args:
        city: what is drawn.
        settings: where records go.
        publishing: takes the pictures, and knows who listens.
        tell: takes notes, in whatever thread.
        failed: takes what came to an end and why; localization goes on without it.
    """

    def ends(what: str) -> Callable[[Exception], object]:
        return partial(failed, f"{what} failed, none is made any more:")

    overlays = OverlayPainter(
        city, publishing.wants_overlay, publishing.overlay, ends("an overlay")
    )
    beliefs = BeliefPainter(
        city,
        publishing.wants_hypothesis_map,
        publishing.hypothesis_map,
        ends("a picture of the belief"),
    )
    recorder = None
    if settings.node.event_dir:
        recorder = IncidentRecorder(city, settings.node, tell, ends("an event record"))
    return Bystanders(settings.estimate, overlays, beliefs, recorder)
