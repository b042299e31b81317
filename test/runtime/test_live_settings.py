"""Settings that change while a session runs: as if configured so from that event on."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
import pytest

from mdps_ros.notes import Code
from mdps_ros.runtime.events import Event, PlaceEvent, SettingsEvent
from mdps_ros.runtime.live_settings import compare
from mdps_ros.runtime.outputs import State
from mdps_ros.runtime.session import Session
from mdps_ros.settings import Settings, SettingsError, describe, with_values
from test.runtime.town import (
    SECOND,
    answers,
    estimates,
    fast_settings,
    images,
    initial_pose,
    notes,
    odometry,
    plain,
)

BASE = fast_settings(
    depth__enabled=True,
    depth__points=32,
    depth__decorrelation=4.0,
    smoother__enabled=True,
    smoother__lag=0.6,
    smoother__stride=4,
    smoother__particles=20,
    filter__particles_min=60,
    filter__particles_max=200,
    filter__lost_fit=-1.0,
    filter__lost_distance=8.0,
    recovery__radius=30.0,
    recovery__search_distance=6.0,
    runtime__camera_timeout=0.5,
)
OTHER = {
    "filter.particles_max": 150,
    "filter.particles_min": 90,
    "filter.start_spacing": 9.0,
    "filter.kld_error": 0.1,
    "filter.kld_bin": 3.0,
    "filter.kld_bin_yaw": 0.5,
    "filter.resampling": "multinomial",
    "filter.ess_fraction": 0.9,
    "filter.tempering_size": 40.0,
    "filter.bandwidth_position": 0.4,
    "filter.bandwidth_yaw": 0.03,
    "filter.lost_fit": -2.0,
    "filter.lost_distance": 15.0,
    "filter.update_distance": 1.0,
    "motion.forward_noise": 0.3,
    "motion.lateral_noise": 0.2,
    "motion.yaw_noise": 0.01,
    "motion.yaw_noise_time": 0.02,
    "motion.scale_sd": 0.05,
    "motion.yaw_bias_sd": 0.01,
    "motion.slip_sd": 0.2,
    "motion.wander_sd": 0.03,
    "motion.weak_wander_sd": 0.1,
    "motion.weak_share": 0.2,
    "motion.quality_distance": 20.0,
    "motion.wander_distance": 20.0,
    "motion.scale_walk": 0.01,
    "motion.yaw_bias_walk": 0.001,
    "motion.slip_time": 0.5,
    "road.lateral_free": 2.0,
    "road.lateral_sd": 3.0,
    "road.heading_sd": 0.2,
    "road.turning_sd": 0.6,
    "road.turning_share": 0.3,
    "road.off_road": 0.2,
    "road.off_heading": 0.01,
    "road.decorrelation": 3.0,
    "map_error.sd": 3.0,
    "map_error.distance": 20.0,
    "depth.range_max": 12.0,
    "depth.height_min": 0.6,
    "depth.height_max": 1.0,
    "depth.points": 20,
    "depth.weight": 3.0,
    "depth.decorrelation": 8.0,
    "smoother.lag": 1.2,
    "smoother.stride": 3,
    "smoother.particles": 40,
    "recovery.radius": 60.0,
    "recovery.elsewhere": 0.1,
    "recovery.search_distance": 100.0,
    "place.weight": 0.5,
    "place.outlier": 0.2,
    "place.decorrelation": 5.0,
    "estimate.mode_radius": 9.0,
    "estimate.mode_yaw": 0.2,
    "estimate.modes": 2,
    "estimate.claim_mass": 0.55,
    "runtime.max_odometry_gap": 0.05,
    "runtime.camera_timeout": 5.0,
}
"""Another value of every live setting of what this drive depends on."""
ELSEWHERE = (
    # of the colour camera, which takes too long here; see below, and test_camera_model
    *("camera.weight", "camera.decorrelation", "camera.cells", "camera.volume"),
    # nothing is contradicted or confirmed on this drive; see test_claims and test_confirmation
    *("recovery.contradiction", "recovery.confirmation", "recovery.confirm_distance"),
    # of the node
    *("place.fix_sd", "node.publish_tf", "node.transform_tolerance", "node.cloud_particles"),
    *("node.odometry_rate", "node.state_period"),
)
LIVE = [name for name, _, info in describe(Settings()) if info["live"]]


def drive() -> list[Event]:
    """5 s from a pose on, then off the road; images and fixes in the middle."""
    straight = odometry(20)
    track = [*straight, *odometry(26, turn=0.1, first_s=7.0, start=(20.0, 0.0, 0.0))]
    pictures = images(np.arange(6.05, 7.5, 0.3))
    fixes = [
        PlaceEvent(
            stamp_ns=round(stamp * SECOND),
            name="fix",
            T_map_base=np.array([-140.0 + 10.0 * (stamp - 5.0), 20.0, 0.0]),
            covariance=np.eye(3) * 9.0,
            with_yaw=False,
        )
        for stamp in (6.55, 6.95, 7.35)
    ]
    request = initial_pose(covariance=np.diag([4.0, 1.0, 0.01]))
    return [request, *sorted([*track, *pictures, *fixes], key=lambda event: event.stamp_ns)]


EVENTS = drive()


def heard(town: Any, settings: Settings, events: Iterable[Event] = EVENTS) -> list[Any]:
    """All that is said, but for the note on the change itself."""
    outputs = answers(Session(town, settings), events)
    told = notes(outputs, Code.SETTINGS)
    return [plain(output) for output in outputs if all(output is not note for note in told)]


@pytest.fixture(scope="module")
def before(town) -> list[Any]:
    return heard(town, BASE)


def test_the_tables_of_this_file_name_every_live_setting() -> None:
    assert sorted([*OTHER, *ELSEWHERE]) == sorted(LIVE)


@pytest.mark.parametrize("section", sorted({name.split(".")[0] for name in OTHER}))
def test_a_change_at_the_start_is_the_same_as_having_configured_so(
    town, before: list[Any], section: str
) -> None:
    changes = {name: value for name, value in OTHER.items() if name.startswith(section + ".")}
    wanted = with_values(BASE, changes)
    configured = heard(town, wanted)
    assert configured != before, f"this drive does not depend on {section}"
    assert heard(town, BASE, [SettingsEvent(settings=wanted), *EVENTS]) == configured


@cache
def halves() -> tuple[list[Event], list[Event]]:
    return EVENTS[:25], EVENTS[25:]


def test_a_change_on_the_way_depends_on_nothing_that_was_in_force_before(town) -> None:
    """Only what is in force counts, however it came to be: all settings at once."""
    first, second = halves()
    others = SettingsEvent(settings=with_values(BASE, OTHER))
    back = SettingsEvent(settings=BASE)
    changed = heard(town, BASE, [*first, others, *second])
    assert changed == heard(town, others.settings, [back, *first, others, *second])
    assert changed != heard(town, BASE)


def test_a_change_that_is_taken_back_at_once_leaves_no_trace(town, before: list[Any]) -> None:
    """So the belief, its particles and its random numbers are kept."""
    first, second = halves()
    others = SettingsEvent(settings=with_values(BASE, OTHER))
    assert heard(town, BASE, [*first, others, SettingsEvent(settings=BASE), *second]) == before


def test_a_tracked_vehicle_stays_tracked_over_a_change(town) -> None:
    session = Session(town, fast_settings())
    session.handle(initial_pose())
    last = estimates(answers(session, odometry(20)))[-1]
    assert last.state is State.TRACKING
    wanted = with_values(fast_settings(), {"filter.update_distance": 1.0, "filter.kld_error": 0.1})
    (note,) = session.handle(SettingsEvent(settings=wanted))
    assert note.code is Code.SETTINGS
    assert "filter.update_distance = 1.0" in note.text
    assert "filter.kld_error = 0.1" in note.text
    later = estimates(answers(session, odometry(20, first_s=7.0, start=(20.0, 0.0, 0.0))))
    assert {found.state for found in later} == {State.TRACKING}
    steps = np.diff([found.travelled for found in [last, *later]])
    np.testing.assert_allclose(steps[1:], 1.0, atol=1e-6)  # it was every 2 m
    assert session.settings == wanted


def test_fixed_settings_in_an_event_are_passed_over(town) -> None:
    wanted = with_values(BASE, {"runtime.seed": 9, "road.enabled": False, "frames.map": "site"})
    session = Session(town, BASE)
    assert session.handle(SettingsEvent(settings=wanted)) == ()
    assert session.settings == BASE


def test_a_comparison_tells_live_settings_from_fixed_ones() -> None:
    wanted = with_values(BASE, {"runtime.seed": 9, "filter.kld_bin": 2.0})
    live, fixed = compare(BASE, wanted)
    assert live == {"filter.kld_bin": 2.0}
    assert fixed == ("runtime.seed",)


def test_settings_that_contradict_each_other_make_no_event() -> None:
    with pytest.raises(SettingsError, match="particles_min exceeds"):
        with_values(BASE, {"filter.particles_min": 600})
