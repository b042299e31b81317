"""Pictures as ROS messages."""

from __future__ import annotations

import array

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from mdps_ros.ros.convert import header


def image_message(rgb: NDArray[np.uint8], stamp_ns: int, frame: str) -> Image:
    """sensor_msgs/Image, rgb8, of (H, W, 3)."""
    rows, columns = rgb.shape[:2]
    made = Image(header=header(stamp_ns, frame), height=rows, width=columns, encoding="rgb8")
    made.step = 3 * columns
    made.data = array.array("B", rgb.tobytes())  # an ndarray would take a hundred times as long
    return made
