from __future__ import annotations

import math

import numpy as np

from mdps_ros.runtime.mode_ids import ModeIds
from mdps_ros.runtime.outputs import Mode
from mdps_ros.settings import EstimateSettings

SETTINGS = EstimateSettings(mode_radius=10.0, mode_yaw=0.5)


def modes(*poses: tuple[float, float, float]) -> tuple[Mode, ...]:
    return tuple(
        Mode(T_map_base=np.array(pose), covariance=np.eye(3), mass=1.0 / len(poses))
        for pose in poses
    )


def test_modes_keep_their_numbers_while_they_move_and_change_rank() -> None:
    ids = ModeIds(SETTINGS)
    assert ids.assign(modes((0.0, 0.0, 0.0), (100.0, 0.0, 3.1))) == [0, 1]
    # The second is now the heavier one, and its yaw has passed over pi.
    assert ids.assign(modes((98.0, 0.0, -3.1), (2.0, 0.0, 0.0))) == [1, 0]


def test_a_mode_out_of_reach_is_a_new_one() -> None:
    ids = ModeIds(SETTINGS)
    ids.assign(modes((0.0, 0.0, 0.0)))
    assert ids.assign(modes((11.0, 0.0, 0.0))) == [1]
    assert ids.assign(modes((11.0, 0.0, math.pi))) == [2]


def test_numbers_of_lost_modes_are_not_used_again() -> None:
    ids = ModeIds(SETTINGS)
    ids.assign(modes((0.0, 0.0, 0.0), (50.0, 0.0, 0.0)))
    assert ids.assign(modes((0.0, 0.0, 0.0))) == [0]
    assert ids.assign(modes((0.0, 0.0, 0.0), (50.0, 0.0, 0.0))) == [0, 2]


def test_two_modes_never_share_a_number() -> None:
    ids = ModeIds(SETTINGS)
    ids.assign(modes((0.0, 0.0, 0.0)))
    assert ids.assign(modes((1.0, 0.0, 0.0), (2.0, 0.0, 0.0))) == [0, 1]


def test_another_reach_counts_from_the_next_message_on_and_numbers_stay() -> None:
    ids = ModeIds(SETTINGS)
    ids.assign(modes((0.0, 0.0, 0.0)))
    ids.adopt(EstimateSettings(mode_radius=20.0, mode_yaw=0.5))
    assert ids.assign(modes((15.0, 0.0, 0.0))) == [0]
