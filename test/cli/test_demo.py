"""The demo: targets and last lines; a short live run; a clean end on Ctrl-C and on a crash."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mdps_ros.cli.demo import last_lines, missed_targets
from mdps_ros.cli.live import LiveRun, settings_of, simulated_drive
from mdps_ros.data.errors import DataError
from mdps_ros.data.trajectory import read_tum
from mdps_ros.evaluation.run import Track

SHORT = ("demo", "--length", "220", "--seed", "3", "--rate", "0", "--out", "out")
SMALL = (
    *("--set", "filter.particles_max=4000", "--set", "runtime.device=cpu"),
    *("--set", "filter.update_distance=2.0"),
)


def row(converged, recall, median=0.5):
    return {"converged_after_m": converged, "recall_at_5m": recall, "median_error_m": median}


@pytest.mark.parametrize(
    ("result", "missed"),
    [
        (row(212.0, 0.99), 0),
        (row(500.0, 0.95), 0),
        (row(501.0, 0.99), 1),
        (row(212.0, 0.94), 1),
        (row(700.0, 0.5), 2),
        (row(None, None, None), 1),
    ],
)
def test_targets_are_500_m_and_95_percent(result, missed):
    lines = missed_targets(result)
    assert len(lines) == missed
    assert all(line.startswith("MISSED: ") for line in lines)


def test_last_lines_are_for_machines():
    assert last_lines(row(212.345, 0.98765)) == [
        "converged_after_m=212.3",
        "median_error_m=0.5",
        "recall@5m=0.9877",
    ]
    assert last_lines(row(None, None, None))[0] == "converged_after_m=none"


def live_run(**values):
    given = {
        "map": "helsinki",
        "length": 220.0,
        "seed": 3,
        "rate": 1.0,
        "heading_sd_deg": 30.0,
        "camera": "depth",
        "assignments": (),
    }
    return LiveRun(**(given | values))


def test_told_heading_is_the_true_one_with_an_error_of_30_degrees():
    truth = Track(np.array([1], np.int64), np.array([[0.0, 0.0, 3.0]]))
    starts = [settings_of(live_run(seed=seed), truth).start for seed in range(400)]
    errors = np.array([math.remainder(s.heading - 3.0, math.tau) for s in starts])
    sd = math.radians(30.0)
    assert abs(errors.mean()) < 5 * sd / math.sqrt(400)
    assert abs(errors.std() - sd) < 5 * sd / math.sqrt(2 * 400)
    assert all(s.heading_known and s.heading_sd == pytest.approx(sd) for s in starts)
    assert settings_of(live_run(seed=7), truth) == settings_of(live_run(seed=7), truth)
    assert not settings_of(live_run(heading_sd_deg=None), truth).start.heading_known


def test_drive_is_made_once_and_again_when_its_code_changes(tmp_path, helsinki, monkeypatch):
    made = []
    monkeypatch.setattr(
        "mdps_ros.cli.simulate.write_simulation",
        lambda city, length, seed, out, **_: (out.mkdir(), made.append(out)),
    )
    first = simulated_drive(helsinki, live_run(), tmp_path / "drives")
    assert simulated_drive(helsinki, live_run(), tmp_path / "drives") == first
    assert made == [first]
    assert simulated_drive(helsinki, live_run(seed=4), tmp_path / "drives") != first
    monkeypatch.setattr("mdps_ros.__version__", "0.0.0")
    assert simulated_drive(helsinki, live_run(), tmp_path / "drives") not in (first, made[1])


def test_map_without_such_a_drive_is_one_clear_error(tmp_path, helsinki):
    with pytest.raises(DataError, match="no drive on helsinki"):
        simulated_drive(helsinki, live_run(length=1e6), tmp_path)


def test_live_run_ends_with_three_lines_and_a_report_that_agrees(mdps, tmp_path):
    done = mdps(*SHORT, *SMALL, "--json", "rows.json", timeout=240)
    assert done.returncode in (0, 1), done.stderr
    (result,) = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert done.stdout.splitlines()[-3:] == last_lines(result)
    assert [line for line in done.stdout.splitlines() if "MISSED" in line] == missed_targets(result)
    assert (done.returncode == 0) == (not missed_targets(result))
    stamps, _ = read_tum(tmp_path / "out" / "estimate.tum")
    # 110 updates of 2 m; at an unlimited rate a busy machine leaves images out
    assert len(stamps) == result["frames"] > 25
    assert "converged" in (tmp_path / "out" / "node.log").read_text() or result["claim_share"] == 0
    assert len((tmp_path / "out" / "particles.jsonl").read_text().splitlines()) >= 3
    assert (tmp_path / "out" / "report.png").stat().st_size > 100_000
    assert (tmp_path / "out" / "drive.webp").stat().st_size > 100_000
    assert processes_of(tmp_path) == []


def processes_of(folder: Path) -> list[str]:
    """Command lines of running processes that name a folder in their ROS_LOG_DIR."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            variables = (process / "environ").read_bytes().decode(errors="replace")
            if f"ROS_LOG_DIR={folder}" in variables:
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@pytest.fixture
def running_demo(tmp_path, short_drive):
    """A demo at real time whose node is active, in `tmp_path`."""
    command = [sys.executable, "-m", "mdps_ros.cli.main", *SHORT, *SMALL, "--rate", "1"]
    with (tmp_path / "stderr.txt").open("w") as log:
        demo = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True
        )
    node_log, end = tmp_path / "out" / "node.log", time.monotonic() + 120.0
    while not (node_log.exists() and "active" in node_log.read_text()):
        assert demo.poll() is None, (tmp_path / "stderr.txt").read_text()
        assert time.monotonic() < end, (tmp_path / "stderr.txt").read_text()
        time.sleep(0.1)
    yield demo
    if demo.poll() is None:
        os.killpg(demo.pid, signal.SIGKILL)
        demo.wait()


def test_interrupt_ends_all_processes_with_code_130(running_demo, tmp_path):
    assert len(processes_of(tmp_path)) == 3
    running_demo.send_signal(signal.SIGINT)
    assert running_demo.wait(40.0) == 130
    assert processes_of(tmp_path) == []


def test_crash_of_the_node_is_told_with_the_end_of_its_log(running_demo, tmp_path):
    (node,) = [
        int(process.name)
        for process in Path("/proc").glob("[0-9]*")
        if is_node_of(process, tmp_path)
    ]
    os.kill(node, signal.SIGKILL)
    assert running_demo.wait(40.0) == 1
    error = (tmp_path / "stderr.txt").read_text()
    assert "mdps demo: the process main ended with code -9" in error
    assert "[mdps_localization]" in error
    assert processes_of(tmp_path) == []


def is_node_of(process: Path, folder: Path) -> bool:
    try:
        environment = (process / "environ").read_bytes().decode(errors="replace")
        return (
            f"ROS_LOG_DIR={folder}" in environment
            and "mdps_ros.ros.main" in (process / "cmdline").read_text()
        )
    except OSError:
        return False
