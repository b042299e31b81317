"""What TF knows, as matrices and names."""

from __future__ import annotations

import numpy as np
import tf2_ros
import yaml
from numpy.typing import NDArray
from rclpy.time import Time

from mdps_ros.runtime.inputs import messages


def placement(
    buffer: tf2_ros.Buffer, target: str, source: str, when: Time | None = None
) -> NDArray[np.float64] | None:
    """(4, 4) target <- source at a time, by default the latest; None where TF does not tie them."""
    target, source = messages.frame_name(target), messages.frame_name(source)
    try:
        found = buffer.lookup_transform(target, source, when or Time())
    except tf2_ros.TransformException:
        return None
    return messages.transform_matrix(found.transform)


def parents(buffer: tf2_ros.Buffer) -> dict[str, str]:
    """Frame -> parent of all frames that TF knows."""
    frames = yaml.safe_load(buffer.all_frames_as_yaml()) or {}
    return {frame: known["parent"] for frame, known in frames.items()}
