"""Smoothing beside the filter: what comes out, what happens when time is short, and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.events import SettingsEvent
from mdps_ros.runtime.outputs import Output, SmoothedTrajectory
from mdps_ros.runtime.session import Session
from mdps_ros.runtime.smoothing import worker as smoother_worker
from mdps_ros.runtime.smoothing.pace import LATE, SPARED
from mdps_ros.runtime.smoothing.worker import SmoothingWorker
from mdps_ros.settings import with_values
from test.runtime.town import estimates, fast_settings, initial_pose, odometry, plain

PATIENCE_S = 60.0
SETTINGS = fast_settings(
    smoother__enabled=True, smoother__lag=0.9, smoother__stride=3, smoother__particles=25
)
EVENTS = [initial_pose(), *odometry(44)]


def until(ready: Callable[[], Any]) -> bool:
    end = time.monotonic() + PATIENCE_S
    while not ready() and time.monotonic() < end:
        time.sleep(0.002)
    return bool(ready())


class Sink:
    """What a worker says. While `hold` is clear, its thread is kept from going on."""

    def __init__(self, smoother: Any) -> None:
        self.found: list[SmoothedTrajectory] = []
        self.parts: list[float] = []
        self.notes: list[Note] = []
        self.errors: list[Exception] = []
        self.go = threading.Event()
        self.go.set()
        self.worker = SmoothingWorker(smoother, self._take, self.notes.append, self.errors.append)

    def _take(self, trajectory: Any, progress: Any) -> None:
        self.found.append(trajectory)
        self.parts.append(progress.part)
        assert self.go.wait(PATIENCE_S)


@pytest.fixture
def aside(town) -> Iterator[tuple[Session, Sink]]:
    """A session whose smoother works in another thread."""
    session = Session(town, SETTINGS)
    sink = Sink(session.take_smoother())
    session.watch = sink.worker.watch
    sink.worker.start()
    yield session, sink
    sink.go.set()
    sink.worker.stop()
    assert not sink.errors


@pytest.fixture(scope="module")
def answers(town) -> list[tuple[Output, ...]]:
    """What a session that smooths by itself says to each event."""
    session = Session(town, SETTINGS)
    return [session.handle(event) for event in EVENTS]


def trajectories(answers: Sequence[Sequence[Output]]) -> list[SmoothedTrajectory]:
    return [o for outputs in answers for o in outputs if isinstance(o, SmoothedTrajectory)]


def finals(found: Sequence[SmoothedTrajectory]) -> list[int]:
    return [int(stamp) for one in found for stamp in one.stamps_ns[one.final]]


def test_a_worker_that_keeps_up_says_what_the_session_says_to_the_bit(aside, answers) -> None:
    session, sink = aside
    due = 0
    for event, said in zip(EVENTS, answers, strict=True):
        own = session.handle(event)
        assert plain(estimates(own)) == plain(estimates(said))
        assert not any(isinstance(output, SmoothedTrajectory) for output in own)
        due += sum(isinstance(output, SmoothedTrajectory) for output in said)
        assert until(lambda: len(sink.found) == due)  # noqa: B023
    assert due > 6
    assert plain(sink.found) == plain(trajectories(answers))
    assert sink.notes == []
    assert set(sink.parts) == {1.0}


def test_a_late_worker_leaves_revisions_out_and_finishes_every_pose_once(aside, answers) -> None:
    session, sink = aside
    wanted = trajectories(answers)
    due = np.cumsum([sum(isinstance(o, SmoothedTrajectory) for o in said) for said in answers])
    sink.go.clear()
    for event, number in zip(EVENTS, due, strict=True):
        session.handle(event)
        if number == 1:  # held up at the first revision until the fifth is due
            assert until(lambda: sink.found)
        if number == 5:
            sink.go.set()
        if number >= 5:
            assert until(lambda: sink.found[-1].revision == number)  # noqa: B023
    assert [one.revision for one in sink.found] == [1, *range(5, len(wanted) + 1)]
    assert finals(sink.found) == finals(wanted)
    for one, theirs in zip(sink.found[2:], wanted[5:], strict=True):
        assert plain(one) == plain(theirs)  # what was left out has left no trace
    assert [(note.code, note.severity) for note in sink.notes] == [(Code.SMOOTHING, Severity.INFO)]
    assert sink.notes[0].data["left_out"] == 3.0


def test_other_settings_come_to_the_smoother_between_the_frames_that_they_came_between(
    aside, town
) -> None:
    session, sink = aside
    other = {"smoother.stride": 2, "smoother.particles": 40, "motion.forward_noise": 0.3}
    change = SettingsEvent(settings=with_values(SETTINGS, other))
    events = [*EVENTS[:25], change, *EVENTS[25:]]
    inline = Session(town, SETTINGS)
    said = [inline.handle(event) for event in events]
    due = 0
    for event, outputs in zip(events, said, strict=True):
        session.handle(event)
        if event is change:
            sink.worker.adopt(change.settings, session.map_error)
        due += len(trajectories([outputs]))
        assert until(lambda: len(sink.found) == due)  # noqa: B023
    assert plain(sink.found) == plain(trajectories(said))
    unchanged = Session(town, SETTINGS)
    assert plain(sink.found) != plain(trajectories([unchanged.handle(event) for event in EVENTS]))


class FakeSmoother:
    """One walk per frame; what is asked of it is written down."""

    stride = 1

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.asked = threading.Event()
        self.frames = 0

    def forget(self) -> None:
        self.told.append("forget")

    def adopt(self, *change: Any) -> None:
        self.told.append(change)

    def remember(self, frame: Any) -> bool:
        self.told.append(frame)
        return True

    def revise(self, part: float, go_on: Callable[[], bool]) -> Any:
        self.asked.set()
        if not go_on():
            self.told.append("given up")
            return None
        self.told.append(part)
        return SimpleNamespace(stamps_ns=[0])


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FakeSmoother, Sink]]:
    monkeypatch.setattr(smoother_worker, "compact", lambda frame: frame)
    smoother = FakeSmoother()
    sink = Sink(smoother)
    yield smoother, sink
    sink.go.set()
    sink.worker.stop()


def test_a_walk_waits_while_the_filter_works(fake) -> None:
    smoother, sink = fake
    sink.worker.start()
    with sink.worker.standing_back():
        sink.worker.watch("frame")
        assert smoother.asked.wait(PATIENCE_S)
        time.sleep(0.1)
        assert smoother.told == ["frame"]
    assert until(lambda: sink.found)
    assert smoother.told == ["frame", 1.0]


def test_a_walk_over_a_belief_that_is_gone_is_given_up(fake) -> None:
    smoother, sink = fake
    sink.worker.start()
    with sink.worker.standing_back():
        sink.worker.watch("frame")
        assert smoother.asked.wait(PATIENCE_S)
        sink.worker.watch(None)
    assert until(lambda: "forget" in smoother.told)
    assert smoother.told == ["frame", "given up", "forget"]
    assert sink.found == []


def test_a_worker_that_is_late_again_and_again_cuts_its_window_and_says_so(fake) -> None:
    smoother, sink = fake

    parts: list[float] = []

    def slow(part: float, go_on: Callable[[], bool]) -> Any:
        """During the first walks, several more become due."""
        parts.append(part)
        if len(parts) <= LATE + 1:
            for name in (*["left out"] * (SPARED + 1), "late"):
                sink.worker.watch(name)
        return SimpleNamespace(stamps_ns=[0])

    smoother.revise = slow  # type: ignore[method-assign]
    sink.worker.start()
    sink.worker.watch("first")
    assert until(lambda: len(sink.found) == LATE + 2)
    assert parts == [1.0] * (LATE + 1) + [0.5]
    assert [note.severity for note in sink.notes] == [
        *[Severity.INFO] * (LATE - 1), Severity.WARN, Severity.INFO,
    ]  # fmt: skip
    assert "smoother.stride" in sink.notes[LATE - 1].text


def test_what_waits_is_kept_over_a_stop(fake) -> None:
    smoother, sink = fake
    sink.worker.watch("early")
    sink.worker.start()
    assert until(lambda: sink.found)
    sink.worker.stop()
    sink.worker.watch("meanwhile")
    assert smoother.told == ["early", 1.0]
    sink.worker.start()
    assert until(lambda: len(sink.found) == 2)
    assert smoother.told == ["early", 1.0, "meanwhile", 1.0]


def test_a_starved_worker_begins_anew_and_says_so(fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoother_worker, "WAITING_MAX", 4)
    smoother, sink = fake
    for number in range(6):
        sink.worker.watch(number)
    assert [note.severity for note in sink.notes] == [Severity.WARN]
    sink.worker.start()
    assert until(lambda: sink.found)
    assert smoother.told[:2] == ["forget", 4]
    assert smoother.told[-2:] == [5, 1.0]


def test_a_starved_worker_still_learns_the_newest_settings(
    fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoother_worker, "WAITING_MAX", 4)
    smoother, sink = fake
    for name in ("old", "new"):
        sink.worker.adopt(name, "map error")
    for number in range(4):
        sink.worker.watch(number)
    sink.worker.start()
    assert until(lambda: sink.found)
    assert smoother.told == ["forget", ("new", "map error"), 2, 3, 1.0]


def test_an_error_is_handed_on_and_ends_the_smoothing_alone(fake) -> None:
    smoother, sink = fake

    def broken(part: float, go_on: Callable[[], bool]) -> Any:
        raise ValueError("broken")

    smoother.revise = broken  # type: ignore[method-assign]
    sink.worker.start()
    sink.worker.watch("frame")
    assert until(lambda: sink.errors)
    sink.worker.watch("after")
    sink.worker.stop()
    assert smoother.told == ["frame"]
    with pytest.raises(ValueError, match="broken"):
        raise sink.errors[0]
