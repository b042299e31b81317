"""What is recorded when the vehicle gets lost or its pose jumps, and when nothing is."""

from __future__ import annotations

import errno
import json
import threading

import cv2
import numpy as np
import pytest

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.events import ColourImageEvent, OdometryEvent
from mdps_ros.runtime.jumps import Cause, JumpWatch, PoseJump
from mdps_ros.runtime.outputs import State
from mdps_ros.runtime.session import Session
from mdps_ros.runtime.watching import incident_files
from mdps_ros.runtime.watching.bystanders import Bystanders
from mdps_ros.runtime.watching.incident_files import IncidentFileError, IncidentFolder
from mdps_ros.runtime.watching.incident_recorder import IncidentRecorder
from mdps_ros.runtime.watching.incidents import PAUSE_S, IncidentWatch, Kind
from test.runtime.test_belief_picture import mode, sight
from test.runtime.town import CAMERA, MOUNT, SECOND, fast_settings, initial_pose, odometry

LONG_S = 60.0
LOST = Note(Code.LOST, Severity.WARN, "nothing fits any more")
HERE = (100.0, 0.0)


def seen(seconds, x=HERE[0], state=State.TRACKING):
    return sight(mode(x, HERE[1], 1.57), stamp_ns=round(seconds * SECOND), state=state)


def sample(seconds, x=0.0):
    return OdometryEvent(stamp_ns=round(seconds * SECOND), T_odom_base=np.array([x, 0.0, 0.0]))


def image(seconds):
    rgb = np.full((CAMERA.height, CAMERA.width, 3), 40, np.uint8)
    return ColourImageEvent(
        stamp_ns=round(seconds * SECOND), rgb=rgb, camera=CAMERA, T_base_camera=MOUNT
    )


def jump(seconds, cause=Cause.SWITCHED, before=(80.0, 0.0, 1.57)):
    return PoseJump(
        stamp_ns=round(seconds * SECOND),
        cause=cause,
        before=None if before is None else np.array(before),
        after=np.array([*HERE, 1.57]),
        count=1,
    )


def frame(watch, seconds, x=HERE[0]):
    """One update: odometry, image, estimate, particles."""
    watch.heard(sample(seconds, x))
    watch.heard(image(seconds))
    made = seen(seconds, x)
    watch.said(made.estimate)
    return watch.saw(made)


def lost(watch, seconds):
    watch.said(LOST)
    return frame(watch, seconds)


def test_being_lost_is_recorded_with_the_beliefs_on_both_sides():
    watch = IncidentWatch(10.0)
    for seconds in (1.0, 2.0, 3.0):
        assert frame(watch, seconds, x=seconds) is None
    found = lost(watch, 4.0)
    assert (found.kind, found.stamp_ns, found.text) == (Kind.LOST, 3 * SECOND, LOST.text)
    assert found.before.estimate.stamp_ns == 3 * SECOND
    assert found.after.estimate.stamp_ns == 4 * SECOND
    assert [e.stamp_ns // SECOND for e in found.odometry] == [1, 2, 3, 4]
    assert [e.stamp_ns // SECOND for e in found.estimates] == [1, 2, 3, 4]
    assert found.notes == ((3 * SECOND, LOST),)
    assert found.image[0].stamp_ns == found.image[1].stamp_ns == 4 * SECOND
    assert frame(watch, 5.0) is None
    assert watch.end() is None


def test_a_jump_is_recorded_with_the_belief_of_the_frame_before_it():
    watch = IncidentWatch(10.0)
    frame(watch, 1.0)
    made = seen(2.0)
    watch.heard(sample(2.0))
    watch.said(made.estimate)
    watch.jumped(jump(2.0))
    found = watch.saw(made)
    assert (found.kind, found.stamp_ns) == (Kind.JUMP, 2 * SECOND)
    assert found.before.estimate.stamp_ns == SECOND
    assert found.after.estimate.stamp_ns == 2 * SECOND
    assert found.text == "the pose jumped by 20.0 m (switched)"


@pytest.mark.parametrize(
    "asked",
    [jump(2.0, Cause.INITIAL_POSE), jump(2.0, Cause.RESTORED), jump(2.0, Cause.STARTED, None)],
)
def test_jumps_that_somebody_asked_for_and_first_claims_are_none(asked):
    watch = IncidentWatch(10.0)
    frame(watch, 1.0)
    watch.jumped(asked)
    assert frame(watch, 2.0) is None


def test_only_the_last_seconds_are_kept():
    watch = IncidentWatch(2.0)
    watch.said(Note(Code.STARTED, Severity.INFO, "long ago"))
    for seconds in range(1, 10):
        frame(watch, float(seconds))
    found = lost(watch, 10.0)
    assert [e.stamp_ns // SECOND for e in found.odometry] == [8, 9, 10]
    assert [e.stamp_ns // SECOND for e in found.estimates] == [8, 9, 10]
    assert [note.text for _, note in found.notes] == [LOST.text]


def test_what_follows_at_once_belongs_to_the_first_and_a_later_one_is_its_own():
    watch = IncidentWatch(10.0)
    frame(watch, 1.0)
    assert lost(watch, 2.0) is not None
    assert lost(watch, 3.0) is None
    frame(watch, 1.0 + PAUSE_S)
    assert lost(watch, 2.0 + PAUSE_S) is not None


def test_a_run_that_ends_at_once_is_recorded_without_the_belief_after():
    watch = IncidentWatch(10.0)
    frame(watch, 1.0)
    watch.said(LOST)
    found = watch.end()
    assert found.after is None
    assert found.before.estimate.stamp_ns == SECOND
    assert watch.end() is None


def test_another_run_is_not_mixed_with_the_one_before():
    watch = IncidentWatch(10.0)
    for seconds in (101.0, 102.0):
        frame(watch, seconds)
    frame(watch, 1.0)  # the bag loops
    found = lost(watch, 2.0)
    assert [e.stamp_ns // SECOND for e in found.odometry] == [1, 2]
    assert [e.stamp_ns // SECOND for e in found.estimates] == [1, 2]


def test_clouds_are_thinned():
    watch = IncidentWatch(10.0)
    poses = np.random.default_rng(1).normal(size=(5000, 3))
    watch.heard(sample(1.0))
    watch.saw(sight(mode(0.0, 0.0), poses=poses, stamp_ns=SECOND))
    found = lost(watch, 2.0)
    assert len(found.before.cloud.poses) == 1000


def incident(seconds=3.0, kind=Kind.LOST):
    watch = IncidentWatch(10.0)
    for moment in (seconds - 2.0, seconds - 1.0, seconds):
        frame(watch, moment)
    if kind is Kind.LOST:
        return lost(watch, seconds + 1.0)
    watch.jumped(jump(seconds + 1.0))
    return frame(watch, seconds + 1.0)


def picture(path):
    found = cv2.imread(str(path))
    assert found is not None, path
    return found


def test_a_folder_holds_pictures_and_all_numbers(town, tmp_path):
    made = IncidentFolder(tmp_path / "events", 5, town).write(incident(kind=Kind.JUMP))
    assert made == tmp_path / "events" / "4.000_jump"
    facts = json.loads((made / "event.json").read_text())
    drive = json.loads((made / "drive.json").read_text())
    assert sorted(facts["files"]) == sorted(
        path.name for path in made.iterdir() if path.name != "event.json"
    )
    assert facts["map"] == {"name": town.name, "id": town.id}
    assert facts["jump"]["before"] == [80.0, 0.0, 1.57]
    assert facts["before"]["state"] == facts["after"]["state"] == "TRACKING"
    assert facts["before"]["modes"][0]["id"] == 0
    assert facts["before"]["cloud"]["poses"] == [[100.0, 0.0, 1.57]]
    assert drive["odometry"][0] == [SECOND, 100.0, 0.0, 0.0]
    assert len(drive["estimates"]) == 4
    assert picture(made / "picture.png").shape == (670, 2 * 640 + 8, 3)
    for name in ("image.png", "overlay.png", "overlay_before.png"):
        assert picture(made / name).shape == (CAMERA.height, CAMERA.width, 3)
    bare = picture(made / "image.png")
    assert (bare == 40).all()
    assert (picture(made / "overlay.png") != bare).any()
    assert (picture(made / "overlay_before.png") != picture(made / "overlay.png")).any()


def test_without_an_image_and_a_belief_after_there_is_one_panel(town, tmp_path):
    watch = IncidentWatch(10.0)
    watch.heard(sample(1.0))
    watch.saw(seen(1.0))
    watch.said(LOST)
    made = IncidentFolder(tmp_path, 5, town).write(watch.end())
    assert picture(made / "picture.png").shape == (670, 640, 3)
    assert sorted(path.name for path in made.iterdir()) == [
        "drive.json",
        "event.json",
        "picture.png",
    ]
    assert json.loads((made / "event.json").read_text())["after"] is None


def test_the_oldest_go_and_what_is_not_ours_stays(town, tmp_path):
    (tmp_path / "holiday").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    folder = IncidentFolder(tmp_path, 2, town)
    for seconds in (10.0, 20.0, 30.0, 30.0):
        folder.write(incident(seconds))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["20.000_lost", "30.000_lost", "holiday", "notes.txt"]


def test_a_full_disk_leaves_nothing_half_written_and_says_what_to_do(town, tmp_path, monkeypatch):
    folder = IncidentFolder(tmp_path, 2, town)
    folder.write(incident(10.0))

    def full(*args, **given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(incident_files.Path, "write_bytes", full)
    with pytest.raises(IncidentFileError, match=r"No space left on device; make room or choose"):
        folder.write(incident(20.0))
    assert [path.name for path in tmp_path.iterdir()] == ["10.000_lost"]


class Office:
    """Takes what a recorder tells."""

    def __init__(self, town, folder, **given):
        given = {"node__event_dir": str(folder)} | given
        self.notes, self.errors, self.news = [], [], threading.Event()
        self.recorder = IncidentRecorder(
            town, fast_settings(**given).node, self._take, self.errors.append
        )
        self.recorder.start()

    def _take(self, note):
        self.notes.append(note)
        self.news.set()


def test_the_recorder_writes_aside_and_says_where(town, tmp_path):
    office = Office(town, tmp_path)
    frame(office.recorder, 1.0)
    lost(office.recorder, 2.0)
    assert office.news.wait(LONG_S)
    office.recorder.stop()
    (note,) = office.notes
    assert (note.code, note.severity) == (Code.EVENT_RECORD, Severity.INFO)
    assert note.text == f"{LOST.text}; recorded in {tmp_path / '1.000_lost'}"
    assert (tmp_path / "1.000_lost" / "picture.png").is_file()
    assert office.errors == []


def test_the_recorder_finishes_when_it_is_stopped(town, tmp_path):
    office = Office(town, tmp_path)
    frame(office.recorder, 1.0)
    office.recorder.said(LOST)
    office.recorder.stop()
    office.recorder.stop()
    assert (tmp_path / "1.000_lost" / "event.json").is_file()


def test_a_folder_that_cannot_be_made_stops_nothing(town, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    office = Office(town, blocked / "events")
    for seconds in (10.0, 20.0):
        frame(office.recorder, seconds)
        lost(office.recorder, seconds + 1.0)
    office.recorder.stop()
    assert [note.severity for note in office.notes] == [Severity.ERROR] * 2
    assert office.errors == []


def test_a_session_that_gets_lost_leaves_a_record(town, tmp_path):
    settings = fast_settings(
        filter__lost_fit=-0.5, filter__lost_distance=10.0, node__event_dir=str(tmp_path)
    )
    session, jumps = Session(town, settings), JumpWatch(settings.estimate)
    told = []
    recorder = IncidentRecorder(town, settings.node, told.append, told.append)
    looking = Bystanders(settings.estimate, recorder=recorder)
    looking.start()
    # off the road, into the block
    events = [odometry(1)[0], initial_pose(), *odometry(120, turn=0.02)[1:]]
    for event in events:
        looking.heard(event)
        for output in session.handle(event):
            looking.said(output, jumps.see(output))
    looking.stop()
    records = sorted(tmp_path.iterdir())
    assert records
    facts = json.loads((records[0] / "event.json").read_text())
    assert facts["kind"] == "lost"
    assert facts["before"]["state"] == "LOST"
    # the search is over the whole town
    assert facts["after"]["covariance"][0][0] > 50.0**2
    assert "lost" in [note["code"] for note in facts["notes"]]
