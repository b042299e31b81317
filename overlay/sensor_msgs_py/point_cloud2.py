"""Stand-in for sensor_msgs_py.point_cloud2: PointCloud2 from and to numpy arrays."""

from __future__ import annotations

import array
import sys
from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
from numpy.lib.recfunctions import structured_to_unstructured, unstructured_to_structured
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2, PointField

_DATATYPES: dict[int, np.dtype[Any]] = {
    PointField.INT8: np.dtype(np.int8),
    PointField.UINT8: np.dtype(np.uint8),
    PointField.INT16: np.dtype(np.int16),
    PointField.UINT16: np.dtype(np.uint16),
    PointField.INT32: np.dtype(np.int32),
    PointField.UINT32: np.dtype(np.uint32),
    PointField.FLOAT32: np.dtype(np.float32),
    PointField.FLOAT64: np.dtype(np.float64),
}


def dtype_from_fields(fields: Iterable[Any], point_step: int | None = None) -> np.dtype[Any]:
    """The structured type of one point.

    Args:
        fields: PointField messages; one with count > 1 becomes name_0, name_1, ...
        point_step: bytes from point to point; without gaps at the end when None.
    """
    names, offsets, formats = [], [], []
    for number, field in enumerate(fields):
        kind = _DATATYPES[field.datatype]
        name = field.name or f"unnamed_field_{number}"
        count = max(int(field.count), 1)
        for index in range(count):
            names.append(name if count == 1 else f"{name}_{index}")
            offsets.append(field.offset + index * kind.itemsize)
            formats.append(kind)
    end = max((at + kind.itemsize for at, kind in zip(offsets, formats, strict=True)), default=0)
    step = end if point_step is None else point_step
    kind = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": step})
    return cast("np.dtype[Any]", kind)


def create_cloud(header: Any, fields: Sequence[Any], points: Any, step: int | None = None) -> Any:
    """Make a PointCloud2.

    Args:
        header: stamp and frame.
        fields: PointField messages that describe a point.
        points: structured array of this type; or plain array or rows, one column for each field.
            Shape (N,) or rows (N, F); organised clouds are structured (H, W) or plain (H, W, F).
        step: bytes from point to point; without gaps at the end when None.
    """
    kind = dtype_from_fields(fields, step)
    if not isinstance(points, np.ndarray):
        points = np.array([tuple(row) for row in points], dtype=kind)
    elif points.dtype.names is None:
        assert len({field.datatype for field in fields}) == 1, (
            "a plain array needs fields of one datatype: pass a structured array"
        )
        points = unstructured_to_structured(points, dtype=kind)
    else:
        assert points.dtype == kind, f"points are {points.dtype}, the fields describe {kind}"
    assert points.ndim <= 2, "a cloud has one axis, or two (height, width)"
    height, width = points.shape if points.ndim == 2 else (1, points.shape[0])
    data = array.array("B")
    data.frombytes(points.tobytes())
    return PointCloud2(
        header=header,
        height=height,
        width=width,
        is_dense=False,
        is_bigendian=sys.byteorder != "little",
        fields=list(fields),
        point_step=kind.itemsize,
        row_step=kind.itemsize * width,
        data=data,
    )


def create_cloud_xyz32(header: Any, points: Any, step: int | None = None) -> Any:
    """Make a PointCloud2 of float32 x, y, z from an array or rows of shape (N, 3)."""
    fields = [
        PointField(name=name, offset=4 * index, datatype=PointField.FLOAT32, count=1)
        for index, name in enumerate("xyz")
    ]
    return create_cloud(header, fields, points, step)


def read_points(
    cloud: Any,
    field_names: Sequence[str] | None = None,
    skip_nans: bool = False,
    uvs: Iterable[Any] | NDArray[Any] | None = None,
    reshape_organized_cloud: bool = False,
) -> NDArray[Any]:
    """Points as a structured array of shape (N,), or (H, W) when reshaped.

    Args:
        cloud: a PointCloud2.
        field_names: only these fields; all when None.
        skip_nans: leave out points with a NaN in one of the fields.
        uvs: only the points at these indices, or at these (column, row) of an organised cloud.
        reshape_organized_cloud: give an organised cloud its shape back.
    """
    kind = dtype_from_fields(cloud.fields, cloud.point_step)
    kind = kind.newbyteorder(">" if cloud.is_bigendian else "<")
    count = cloud.width * cloud.height
    points: NDArray[Any] = np.ndarray((count,), dtype=kind, buffer=bytes(cloud.data))
    if field_names is not None:
        assert kind.names is not None
        assert all(name in kind.names for name in field_names), "a requested field is not there"
        points = points[list(field_names)]
    if skip_nans:
        points = points[~_has_nan(points)]
    if uvs is not None:
        indices = np.asarray(uvs if isinstance(uvs, np.ndarray) else list(uvs))
        if indices.ndim == 2:
            indices = indices[:, 0] + indices[:, 1] * cloud.width
        points = points[indices]
    if reshape_organized_cloud and cloud.height > 1:
        points = points.reshape(cloud.height, cloud.width)
    return points


def read_points_numpy(
    cloud: Any,
    field_names: Sequence[str] | None = None,
    skip_nans: bool = False,
    uvs: Iterable[Any] | NDArray[Any] | None = None,
    reshape_organized_cloud: bool = False,
) -> NDArray[Any]:
    """Points as a plain array of shape (N, F) or (H, W, F); all fields must have one datatype."""
    kinds = {
        field.datatype for field in cloud.fields if field_names is None or field.name in field_names
    }
    assert len(kinds) == 1, "a plain array needs fields of one datatype: use read_points"
    points = read_points(cloud, field_names, skip_nans, uvs, reshape_organized_cloud)
    return np.asarray(structured_to_unstructured(points))


def _has_nan(points: NDArray[Any]) -> NDArray[np.bool_]:
    result = np.zeros(points.shape, dtype=np.bool_)
    for name in points.dtype.names or ():
        result |= np.isnan(points[name])
    return result
