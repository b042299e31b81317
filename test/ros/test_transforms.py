"""What TF knows: real tf2."""

from __future__ import annotations

import numpy as np
from geometry_msgs.msg import TransformStamped
from tf2_ros import Buffer

from mdps_ros.ros.transforms import placement


def test_frames_are_looked_up_without_their_slash() -> None:
    """tf2 itself refuses names that begin with one."""
    buffer = Buffer()
    mount = TransformStamped()
    mount.header.frame_id, mount.child_frame_id = "base_link", "camera"
    mount.transform.translation.x, mount.transform.rotation.w = 1.5, 1.0
    buffer.set_transform_static(mount, "test")
    found = placement(buffer, "/base_link", "/camera")
    assert found is not None
    np.testing.assert_allclose(found[:3, 3], [1.5, 0.0, 0.0])
    assert placement(buffer, "base_link", "lidar") is None
