"""Which part of central Helsinki is for training and which for tests, in the frame of its map."""

from __future__ import annotations

from mdps_ros.core.mapdata import Bounds

HELSINKI_TRAIN = Bounds(-526.0, -190.0, 526.0, 853.0)
HELSINKI_TEST = Bounds(-526.0, -853.0, 526.0, -250.0)
"""South of Esplanadi, 60 m from the training streets. Vehicles stay inside; a camera near the
border sees some of the strip between."""
