from __future__ import annotations

import itertools
from types import SimpleNamespace as Message
from typing import Any

import numpy as np
import pytest

from mdps_ros.runtime.outputs import Mode, PoseEstimate, State
from mdps_ros.runtime.watching.record import LiveRecord, row_of


def header(stamp_ns: int) -> Any:
    sec, nanosec = divmod(stamp_ns, 10**9)
    return Message(stamp=Message(sec=sec, nanosec=nanosec))


def with_covariance(pose: np.ndarray, covariance: np.ndarray) -> Any:
    full = np.full((6, 6), 99.0)
    full[np.ix_([0, 1, 5], [0, 1, 5])] = covariance
    x, y, yaw = pose
    rotation = Message(z=np.sin(yaw / 2), w=np.cos(yaw / 2))
    return Message(
        pose=Message(position=Message(x=x, y=y), orientation=rotation), covariance=full.ravel()
    )


def estimate(stamp_ns: int) -> PoseEstimate:
    pose, covariance = np.array([1.0, 2.0, -3.0]), np.diag([4.0, 5.0, 6.0])
    return PoseEstimate(
        stamp_ns=stamp_ns,
        T_map_base=pose,
        covariance=covariance,
        modes=(Mode(T_map_base=pose, covariance=covariance / 2, mass=0.75),),
        state=State.AMBIGUOUS,
        particles=100,
        effective_particles=50.5,
        travelled=12.5,
        scale=(0.0, 0.0),
        yaw_bias=(0.0, 0.0),
        measurements=("road",),
    )


def messages(value: PoseEstimate) -> dict[str, Any]:
    """The three messages, with state numbers other than those of State."""
    head = header(value.stamp_ns)
    items = [
        Message(pose=with_covariance(m.T_map_base, m.covariance), share=m.mass) for m in value.modes
    ]
    numbers = {state.name: 10 * state.value for state in State}
    return {
        "pose": Message(header=head, pose=with_covariance(value.T_map_base, value.covariance)),
        "hypotheses": Message(header=head, hypotheses=items),
        "status": Message(
            header=head,
            state=numbers[value.state.name],
            particles=value.particles,
            effective_particles=value.effective_particles,
            travelled_m=value.travelled,
            **numbers,
        ),
    }


@pytest.mark.parametrize("order", list(itertools.permutations(["pose", "hypotheses", "status"])))
def test_a_row_is_whole_after_the_third_message_whatever_the_order(order: tuple[str, ...]) -> None:
    record = LiveRecord()
    said = messages(estimate(1_500_000_000))
    rows = [getattr(record, kind)(said[kind]) for kind in order]
    assert rows[:2] == [None, None]
    assert rows[2] is not None
    wanted = row_of(estimate(1_500_000_000))
    assert rows[2].keys() == wanted.keys()
    np.testing.assert_allclose(rows[2]["pose"], wanted["pose"], atol=1e-12)
    np.testing.assert_allclose(rows[2]["covariance"], wanted["covariance"])
    np.testing.assert_allclose(rows[2]["modes"][0]["covariance"], wanted["modes"][0]["covariance"])
    for key in ("stamp_ns", "state", "particles", "effective_particles", "travelled_m"):
        assert rows[2][key] == wanted[key]


def test_rows_of_different_stamps_are_not_mixed() -> None:
    record = LiveRecord()
    first, second = messages(estimate(1)), messages(estimate(2))
    assert record.pose(first["pose"]) is None
    assert record.hypotheses(second["hypotheses"]) is None
    assert record.status(second["status"]) is None
    row = record.pose(second["pose"])
    assert row is not None
    assert row["stamp_ns"] == 2
