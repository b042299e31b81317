"""Over ten thousand odd messages: none raises, and what comes through is sound.

Seeded: a failure names the kind and the number of the case, which `odd_messages` draws again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mdps_ros.notes import Note
from mdps_ros.runtime.events import (
    ColourImageEvent,
    DepthImageEvent,
    Event,
    InitialPoseEvent,
    OdometryEvent,
    PlaceEvent,
)
from mdps_ros.runtime.inputs import messages
from mdps_ros.runtime.inputs.image_inputs import Inputs
from mdps_ros.runtime.inputs.twist import TwistOdometry
from mdps_ros.runtime.session import Session
from test.runtime.odd_messages import HEIGHT, WIDTH, odd_message, templates
from test.runtime.test_session_odd_data import check_sound
from test.runtime.town import ANCHOR, MOUNT, SECOND, fast_settings

CASES = 1500  # of each of the eight kinds of message
SESSIONS = 40
EVENTS = 25

Convert = Callable[[Any], Any]


def converters(rectified: bool = True) -> dict[str, Convert]:
    """What the node makes of each kind of message, with fresh state."""
    inputs = Inputs(lambda frame: None if frame == "moon" else MOUNT, rectified)
    twist = TwistOdometry()
    inputs.camera_info(templates()["camera_info"][0])

    def placement(frame: str, stamp_ns: int) -> np.ndarray | None:
        return None if frame == "moon" else MOUNT

    return {
        "odometry": messages.odometry_event,
        "twist": lambda msg: twist.event(msg.header, msg.twist.twist),
        "image": inputs.image,
        "compressed": inputs.compressed,
        "camera_info": inputs.camera_info,
        "initial_pose": lambda msg: messages.initial_pose_event(msg, "map", placement),
        "pose_prior": lambda msg: messages.pose_prior_event(msg, "map", placement),
        "fix": lambda msg: messages.fix_event(msg, ANCHOR, 5.0),
    }


def check_event(event: Any) -> None:
    """Sound enough for a session."""
    if isinstance(event, DepthImageEvent):
        depth = event.depth
        assert depth.dtype == np.float32
        assert depth.shape == (event.camera.height, event.camera.width)
        assert (np.isnan(depth) | (np.isfinite(depth) & (depth > 0))).all()
    elif isinstance(event, ColourImageEvent):
        assert event.rgb.dtype == np.uint8
        assert event.rgb.shape == (event.camera.height, event.camera.width, 3)
    elif isinstance(event, OdometryEvent):
        assert np.isfinite(event.T_odom_base).all()
    else:
        assert isinstance(event, InitialPoseEvent | PlaceEvent)
        assert np.isfinite(event.T_map_base).all()
        spectrum = np.linalg.eigvalsh(event.covariance)
        assert spectrum[0] > -1e-5 * max(1.0, spectrum[-1])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflows on the way to a note
@pytest.mark.parametrize("kind", list(templates()))
def test_no_message_raises_and_what_comes_through_is_sound(kind: str) -> None:
    rng, good = np.random.default_rng(7), templates()[kind]
    outcomes = Counter[str]()
    for case in range(CASES):
        if case % 250 == 0:
            convert = converters(rectified=case % 500 == 0)[kind]
        found = convert(odd_message(good[case % len(good)], rng))
        for item in found if isinstance(found, tuple) else (found,):
            if isinstance(item, Note):
                assert item.text
                outcomes["note"] += 1
            else:
                check_event(item)
        outcomes["fine"] += not isinstance(found, Note | tuple) or found == ()
    assert outcomes["note"] > CASES / 50, outcomes  # it does hit what is refused
    assert outcomes["fine"] > CASES / 5, outcomes  # and what is not


def stamped(message: Any, now_ns: int, rng: np.random.Generator) -> Any:
    """A stamp near now: mostly forward, at times repeated, late, early or far off."""
    away = rng.choice([0.0, 0.0, 0.0, -0.1, -0.9, -3.0, 2.0, 400.0, -1e5])
    stamp = max(now_ns + round(away * SECOND), 0)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, SECOND)
    return message


def session_events(rng: np.random.Generator) -> list[Event]:
    """A drive of odd messages: bursts, gaps, duplicates, other frames."""
    good, convert = templates(), converters()
    kinds = [*good, *["odometry"] * 12, *["image"] * 4]
    events: list[Event] = []
    now = 100 * SECOND
    while len(events) < EVENTS:
        now += round(rng.choice([0.0, 0.02, 0.1, 0.1, 1.5, 30.0]) * SECOND)
        kind = kinds[rng.integers(len(kinds))]
        message = good[kind][rng.integers(len(good[kind]))]
        message = odd_message(message, rng) if rng.random() < 0.3 else message
        message = stamped(message, now, rng)
        if kind == "odometry" and np.isfinite(message.pose.pose.position.x):
            message.pose.pose.position.x += rng.uniform(0.0, 3.0)
        found = convert[kind](message)
        if not isinstance(found, Note | tuple):
            events += [found] * rng.choice([1, 1, 1, 1, 2, 5])
    return events


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_sessions_survive_drives_of_odd_messages(town) -> None:
    settings = fast_settings(
        depth__enabled=True,
        depth__points=16,
        filter__particles_min=20,
        filter__particles_max=60,
        runtime__image_wait=3,
    )
    said = Counter[str]()
    for seed in range(SESSIONS):
        session = Session(town, settings)
        for event in session_events(np.random.default_rng(seed)):
            outputs = session.handle(event)
            check_sound(outputs)
            said.update(type(output).__name__ for output in outputs)
    assert said["PoseEstimate"] > SESSIONS
    assert said["Note"] > SESSIONS


def test_there_are_ten_thousand_cases() -> None:
    assert CASES * len(templates()) + SESSIONS * EVENTS >= 10_000


def test_a_check_of_events_can_fail() -> None:
    bad = OdometryEvent(stamp_ns=1, T_odom_base=np.array([np.nan, 0.0, 0.0]))
    with pytest.raises(AssertionError):
        check_event(bad)
    good = converters()["image"](templates()["image"][0])
    assert isinstance(good, DepthImageEvent)
    assert (good.camera.width, good.camera.height) == (WIDTH, HEIGHT)
