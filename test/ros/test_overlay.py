"""The node publishes overlays to those who listen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mdps_ros.ros import topics
from mdps_ros.ros.images import image_message


def test_a_picture_becomes_an_image_of_the_same_pixels() -> None:
    rgb = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)[:, ::2]
    made = image_message(rgb, 1_500_000_000, "base_link")
    assert (made.height, made.width, made.step, made.encoding) == (2, 2, 6, "rgb8")
    assert bytes(made.data) == rgb.tobytes()
    assert (made.header.stamp.sec, made.header.frame_id) == (1, "base_link")


def test_whoever_listens_gets_images_with_the_map_drawn_in(
    start_node: Any, start: Any, partner: Any, drive: Path
) -> None:
    node = start_node(node__image_reliable=True)
    node.wait_for("active: waiting for odometry")
    heard = partner.hear(topics.OVERLAY)
    player = start("mdps_ros.ros.play_bag", str(drive), "--rate", "0", "--lossless")
    assert partner.until(lambda: heard or player.popen.poll() is not None, 120.0)
    assert partner.until(lambda: heard, 20.0), node.text
    picture = np.frombuffer(heard[0].data, np.uint8).reshape(heard[0].height, heard[0].width, 3)
    assert (heard[0].height, heard[0].width) == (48, 80)
    colourful = picture.max(axis=2).astype(int) - picture.min(axis=2) > 30
    assert colourful.any()  # the depth picture itself is grey
