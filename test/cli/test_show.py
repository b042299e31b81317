"""What a run shows on its way."""

from __future__ import annotations

import numpy as np
import pytest

from mdps_ros.cli import show
from mdps_ros.runtime.outputs import Mode, PoseEstimate, State


def estimate(travelled: float, state: State) -> PoseEstimate:
    mode = Mode(mass=0.5, T_map_base=np.zeros(3), covariance=np.eye(3))
    return PoseEstimate(
        stamp_ns=0,
        T_map_base=np.zeros(3),
        covariance=np.eye(3),
        modes=(mode,),
        state=state,
        particles=100,
        effective_particles=50.0,
        travelled=travelled,
        scale=(1.0, 0.1),
        yaw_bias=(0.0, 0.1),
        measurements=(),
    )


def test_metres_go_on_when_a_search_begins_to_count_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(show, "PLAIN_PERIOD_S", 0.0)
    with show.RunProgress(20.0) as progress:
        for second, (travelled, state) in enumerate(
            [(100.0, State.TRACKING), (120.0, State.LOST), (5.0, State.RECOVERING)]
        ):
            progress.at(float(second))
            progress.saw(estimate(travelled, state))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].split(",")[0] for line in lines] == [" 100 m", " 120 m", " 125 m"]
