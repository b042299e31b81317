"""Notes: how the lower layers say what happened. Only the edges (node, CLI) log.

A note carries a code, so that the node can throttle per code and tests can assert on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum


class Severity(IntEnum):
    """Ordered like the levels of diagnostic_msgs/DiagnosticStatus."""

    INFO = 0
    WARN = 1
    ERROR = 2


class Code(Enum):
    """What happened; stable names, used in diagnostics."""

    STARTED = "started"
    NO_START = "no_start"
    CONVERGED = "converged"
    LOST = "lost"
    INITIAL_POSE = "initial_pose"
    RESTORED = "restored"
    STATE_FILE = "state_file"
    SETTINGS = "settings"
    MAP_CHANGED = "map_changed"
    BAD_MESSAGE = "bad_message"
    STAMP_REGRESSION = "stamp_regression"
    ODOMETRY_GAP = "odometry_gap"
    NO_EXTRINSICS = "no_extrinsics"
    NO_CAMERA_INFO = "no_camera_info"
    IMAGE_DROPPED = "image_dropped"
    NO_FIX = "no_fix"
    PLACE_DROPPED = "place_dropped"
    CAMERA_SILENT = "camera_silent"
    MODEL_SKIPPED = "model_skipped"
    SMOOTHING = "smoothing"
    EVENT_RECORD = "event_record"
    DEVICE = "device"


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that a human may want to know.

    Attributes:
        code: what happened.
        severity: how bad it is.
        text: one sentence, with the remedy where there is one.
        data: numbers behind the sentence, keys carry their unit.
    """

    code: Code
    severity: Severity
    text: str
    data: Mapping[str, float] = field(default_factory=dict)
