"""When a session updates, and what it makes of bad stamps and images."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.events import (
    DepthImageEvent,
    OdometryEvent,
)
from mdps_ros.runtime.outputs import (
    Output,
    ParticleSnapshot,
    PoseEstimate,
    State,
    TransformEstimate,
)
from mdps_ros.runtime.session import Session
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
    snapshots,
)

# -- when it answers --------------------------------------------------------------------------


def test_it_says_nothing_before_odometry(town) -> None:
    session = Session(town, fast_settings(depth__enabled=True))
    assert answers(session, images([1.0, 1.1, 1.2])) == []
    assert session.handle(initial_pose()) == ()


def test_the_first_odometry_starts_over_the_whole_map(town) -> None:
    outputs = answers(Session(town, fast_settings()), odometry(1))
    kinds = [type(output).__name__ for output in outputs]
    assert kinds == ["Note", "PoseEstimate", "ParticleSnapshot"]
    assert outputs[0].code is Code.STARTED
    estimate = estimates(outputs)[0]
    assert estimate.state is State.GLOBAL
    assert estimate.travelled == 0.0
    spread = snapshots(outputs)[0].poses[:, :2]
    assert np.ptp(spread[:, 0]) > 300
    assert np.ptp(spread[:, 1]) > 200


@pytest.mark.parametrize(("distance", "every"), [(2.0, 2), (3.5, 4), (0.0, 1)])
def test_it_updates_only_after_the_update_distance(town, distance: float, every: int) -> None:
    """Odometry comes each metre."""
    session = Session(town, fast_settings(filter__update_distance=distance))
    events = odometry(17)
    stamps = [estimate.stamp_ns for estimate in estimates(answers(session, events))]
    assert stamps == [event.stamp_ns for event in events[::every]]


def test_a_vehicle_that_stands_gets_one_estimate(town) -> None:
    assert len(estimates(answers(Session(town, fast_settings()), odometry(60, step=0.0)))) == 1


def test_travel_counts_from_the_start_of_the_belief(town) -> None:
    session = Session(town, fast_settings())
    first = answers(session, odometry(9))
    assert [e.travelled for e in estimates(first)] == pytest.approx([0, 2, 4, 6, 8])
    session.handle(initial_pose())
    later = answers(session, odometry(4, first_s=5.9, start=(9.0, 0.0, 0.0)))
    # 1 m lies between the last sample before the request and the first one after it
    assert [e.travelled for e in estimates(later)] == pytest.approx([2, 4])


# -- interleaving and determinism -------------------------------------------------------------


def drive_with_images() -> tuple[list[OdometryEvent], list[DepthImageEvent]]:
    """4 s of odometry at 10 Hz, images at 5 Hz between its stamps and beyond its end."""
    return odometry(40, step=1.1, turn=0.01), images(np.arange(5.03, 9.5, 0.2))


def run_delayed(town, image_delay: float, burst: float = 0.0) -> list[Output]:
    """Images come `image_delay` s after their stamp, odometry in bursts of `burst` s."""
    track, pictures = drive_with_images()

    def arrival(event: OdometryEvent | DepthImageEvent) -> float:
        stamp = event.stamp_ns / SECOND
        if isinstance(event, OdometryEvent):
            return math.ceil(stamp / burst) * burst if burst else stamp
        return stamp + image_delay

    settings = fast_settings(depth__enabled=True, depth__points=32, filter__particles_max=500)
    return answers(Session(town, settings), sorted([*track, *pictures], key=arrival))


@pytest.fixture(scope="module")
def undelayed(town):
    return run_delayed(town, 0.0)


@pytest.mark.parametrize(
    ("image_delay", "burst"),
    [(-3.0, 0.0), (-0.31, 0.0), (0.05, 0.0), (0.85, 0.0), (-0.31, 0.45), (0.4, 0.45)],
)
def test_interleaving_of_topics_does_not_change_a_bit(
    town, undelayed, image_delay: float, burst: float
) -> None:
    assert len(estimates(undelayed)) > 15
    assert any("depth" in estimate.measurements for estimate in estimates(undelayed))
    assert plain(run_delayed(town, image_delay, burst)) == plain(undelayed)


def test_images_later_than_the_camera_timeout_do_change_the_run(town, undelayed) -> None:
    """The limit of the promise: the session must then go on without the camera."""
    assert plain(run_delayed(town, 1.5)) != plain(undelayed)


def test_equal_seeds_give_equal_runs_and_other_seeds_do_not(town) -> None:
    events = odometry(30, turn=0.02)
    runs = [
        plain(answers(Session(town, fast_settings(runtime__seed=seed)), events))
        for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_two_sessions_on_one_map_do_not_disturb_each_other(town) -> None:
    events = odometry(20)
    alone = plain(answers(Session(town, fast_settings()), events))
    one, other = Session(town, fast_settings()), Session(town, fast_settings(runtime__seed=9))
    outputs: list[Output] = []
    for event in events:
        outputs += one.handle(event)
        other.handle(event)
    assert plain(outputs) == alone


# -- camera -----------------------------------------------------------------------------------


def test_with_a_camera_it_updates_at_the_stamps_of_images(undelayed) -> None:
    track, pictures = drive_with_images()
    stamps = {estimate.stamp_ns for estimate in estimates(undelayed)}
    assert stamps <= {picture.stamp_ns for picture in pictures}
    assert not stamps & {event.stamp_ns for event in track}


def test_a_silent_camera_leaves_it_to_odometry_after_the_timeout(town) -> None:
    session = Session(town, fast_settings(depth__enabled=True, runtime__camera_timeout=1.0))
    found = estimates(answers(session, odometry(40)))
    assert found[0].stamp_ns == round(6.1 * SECOND)
    assert len(found) > 10
    assert all("depth" not in estimate.measurements for estimate in found)


def test_a_camera_that_comes_back_takes_over_again(town) -> None:
    session = Session(town, fast_settings(depth__enabled=True))
    track = odometry(60)
    pictures = images([5.05, 5.25, *np.arange(8.05, 10.5, 0.2)])
    events = sorted([*track, *pictures], key=lambda event: event.stamp_ns)
    found = estimates(answers(session, events))
    by_image = [e.stamp_ns in {p.stamp_ns for p in pictures} for e in found]
    assert by_image[0]
    assert not all(by_image)
    assert by_image[-1]
    silent = [e.stamp_ns / SECOND for e, image in zip(found, by_image, strict=True) if not image]
    assert min(silent) > 6.25
    assert max(silent) < 8.1


def test_images_are_ignored_where_depth_is_off(town) -> None:
    track, pictures = drive_with_images()
    events = sorted([*track, *pictures], key=lambda event: event.stamp_ns)
    with_images = answers(Session(town, fast_settings()), events)
    assert plain(with_images) == plain(answers(Session(town, fast_settings()), track))


def test_the_image_queue_is_bounded_and_drops_the_oldest_with_a_note(town) -> None:
    session = Session(town, fast_settings(depth__enabled=True, runtime__image_wait=3))
    dropped = notes(answers(session, images([5.1, 5.2, 5.3, 5.4, 5.5, 5.6])), Code.IMAGE_DROPPED)
    assert [note.data["stamp_s"] for note in dropped] == pytest.approx([5.1, 5.2, 5.3])
    assert all("odometry" in note.text for note in dropped)
    found = estimates(answers(session, odometry(12)))
    assert found[0].stamp_ns == round(5.4 * SECOND)


def test_repeated_images_are_dropped_with_a_note_and_others_used_by_their_stamps(town) -> None:
    session = Session(town, fast_settings(depth__enabled=True))
    outputs = answers(session, images([5.2, 5.2, 4.9, 5.0, 4.9]))
    dropped = notes(outputs, Code.IMAGE_DROPPED)
    assert [note.severity for note in dropped] == [Severity.WARN] * 2
    assert all("another image with its stamp" in note.text for note in dropped)
    found = answers(session, odometry(5, first_s=4.9))
    assert [e.stamp_ns / SECOND for e in estimates(found)] == pytest.approx([4.9, 5.2])


def test_images_from_before_the_odometry_are_dropped_with_a_note(town) -> None:
    session = Session(town, fast_settings(depth__enabled=True))
    answers(session, odometry(3))
    outputs = answers(session, images([4.9]))
    assert len(notes(outputs, Code.IMAGE_DROPPED)) == 1
    assert not estimates(outputs)


# -- bad odometry -----------------------------------------------------------------------------


def test_odometry_that_is_late_or_repeated_changes_nothing(town) -> None:
    events = odometry(20)
    noisy = [*events[:8], events[7], events[5], *events[8:], events[19]]
    clean = answers(Session(town, fast_settings()), events)
    assert plain(answers(Session(town, fast_settings()), noisy)) == plain(clean)


def test_stamps_that_go_back_flush_and_start_over(town) -> None:
    session = Session(town, fast_settings())
    session.handle(initial_pose())
    assert estimates(answers(session, odometry(20, first_s=50.0)))[-1].state is State.TRACKING
    outputs = answers(session, odometry(5, first_s=5.0))
    (note,) = notes(outputs, Code.STAMP_REGRESSION)
    assert note.severity is Severity.WARN
    assert note.data["back_s"] == pytest.approx(46.9)
    found = estimates(outputs)
    assert [e.stamp_ns / SECOND for e in found] == pytest.approx([5.0, 5.2, 5.4])
    assert found[0].travelled == 0.0
    assert np.ptp(snapshots(outputs)[0].poses[:, 0]) > 300
    assert not notes(outputs, Code.ODOMETRY_GAP)


def test_after_a_flush_images_of_the_new_time_are_used(town) -> None:
    session = Session(town, fast_settings(depth__enabled=True))
    answers(session, [*odometry(5, first_s=50.0), *images([50.1, 60.0])])
    outputs = answers(session, [*odometry(5, first_s=5.0), *images([5.15, 5.35])])
    assert not notes(outputs, Code.IMAGE_DROPPED)
    assert [e.stamp_ns / SECOND for e in estimates(outputs)] == pytest.approx([5.15, 5.35])


def test_a_gap_in_the_odometry_is_noted_and_bridged(town) -> None:
    session = Session(town, fast_settings(runtime__max_odometry_gap=0.5))
    before, after = odometry(5), odometry(5, first_s=6.0, start=(10.0, 0.0, 0.0))
    outputs = answers(session, [*before, *after])
    (note,) = notes(outputs, Code.ODOMETRY_GAP)
    assert note.data["gap_s"] == pytest.approx(0.6)
    assert estimates(outputs)[-1].travelled == pytest.approx(14.0)


def test_it_changes_no_event(town) -> None:
    track, pictures = drive_with_images()
    request = initial_pose()
    copies = plain([*track, *pictures, request])
    session = Session(town, fast_settings(depth__enabled=True))
    answers(session, sorted([*track, *pictures, request], key=lambda event: event.stamp_ns))
    assert plain([*track, *pictures, request]) == copies


def test_every_output_is_of_a_known_kind(undelayed) -> None:
    kinds = {type(output) for output in undelayed}
    assert {PoseEstimate, ParticleSnapshot, Note} <= kinds
    assert kinds <= {PoseEstimate, ParticleSnapshot, Note, TransformEstimate}
