from __future__ import annotations

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import PointCloud2, PointField
from sensor_msgs_py import point_cloud2
from std_msgs.msg import Header

FIELDS = [
    PointField(name="x", offset=0, datatype=PointField.FLOAT32, count=1),
    PointField(name="y", offset=4, datatype=PointField.FLOAT32, count=1),
    PointField(name="weight", offset=8, datatype=PointField.FLOAT64, count=1),
    PointField(name="id", offset=16, datatype=PointField.UINT16, count=1),
]
KIND = point_cloud2.dtype_from_fields(FIELDS)


def some_points(count: int) -> np.ndarray:
    generator = np.random.default_rng(5)
    points = np.zeros(count, dtype=KIND)
    for name in ("x", "y", "weight"):
        points[name] = generator.normal(size=count)
    points["id"] = np.arange(count)
    return points


def test_a_structured_array_survives_the_wire() -> None:
    points = some_points(7)
    cloud = point_cloud2.create_cloud(Header(frame_id="map"), FIELDS, points)
    received = deserialize_message(serialize_message(cloud), PointCloud2)
    assert (received.height, received.width) == (1, 7)
    assert (received.point_step, received.row_step) == (18, 126)
    assert received.header.frame_id == "map"
    assert np.array_equal(point_cloud2.read_points(received), points)


def test_bytes_lie_where_the_fields_say() -> None:
    cloud = point_cloud2.create_cloud(Header(), FIELDS, [(1.5, -2.0, 0.25, 513)])
    data = bytes(cloud.data)
    assert np.frombuffer(data, "<f4", 2).tolist() == [1.5, -2.0]
    assert np.frombuffer(data, "<f8", 1, offset=8).tolist() == [0.25]
    assert data[16:] == b"\x01\x02"


def test_xyz32_takes_plain_rows_and_gives_a_plain_array() -> None:
    rows = np.arange(12, dtype=np.float64).reshape(4, 3)
    cloud = point_cloud2.create_cloud_xyz32(Header(), rows)
    found = point_cloud2.read_points_numpy(cloud)
    assert found.dtype == np.float32
    assert np.array_equal(found, rows)
    assert np.array_equal(point_cloud2.read_points_numpy(cloud, ["z"])[:, 0], rows[:, 2])


def test_points_with_nan_can_be_left_out() -> None:
    points = some_points(5)
    points["y"][2] = np.nan
    cloud = point_cloud2.create_cloud(Header(), FIELDS, points)
    assert point_cloud2.read_points(cloud, skip_nans=True)["id"].tolist() == [0, 1, 3, 4]
    assert len(point_cloud2.read_points(cloud, ["x"], skip_nans=True)) == 5


def test_an_organised_cloud_keeps_rows_and_columns_apart() -> None:
    points = some_points(6).reshape(2, 3)
    cloud = point_cloud2.create_cloud(Header(), FIELDS, points)
    assert (cloud.height, cloud.width) == (2, 3)
    found = point_cloud2.read_points(cloud, ["id"], reshape_organized_cloud=True)
    assert found["id"].tolist() == [[0, 1, 2], [3, 4, 5]]
    column_row = np.array([[2, 0], [0, 1]])
    assert point_cloud2.read_points(cloud, uvs=column_row)["id"].tolist() == [2, 3]


def test_mixed_types_cannot_become_a_plain_array() -> None:
    cloud = point_cloud2.create_cloud(Header(), FIELDS, some_points(2))
    with pytest.raises(AssertionError, match="one datatype"):
        point_cloud2.read_points_numpy(cloud)
    with pytest.raises(AssertionError, match="one datatype"):
        point_cloud2.create_cloud(Header(), FIELDS, np.zeros((3, 4)))


def test_unknown_fields_raise() -> None:
    cloud = point_cloud2.create_cloud(Header(), FIELDS, some_points(2))
    with pytest.raises(AssertionError, match="not there"):
        point_cloud2.read_points(cloud, ["z"])
