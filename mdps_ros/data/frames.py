"""Labelled frames on the disk: one folder per shard, plain arrays that can be mapped.

    manifest.json           what the frames are
    shard_00000/rgb.npy     (n, H, W, 3) uint8
    shard_00000/pose.npy    (n, 3) float64 true x m, y m, yaw rad of the base frame in the map
    shard_00000/camera.npy  (n, 7) float32 nominal fx, fy, cx, cy px, forward m, up m, pitch rad
    shard_00000/depth.npy   (n, H / 2, W / 2) float16 m along the optical axis, 0 for none; may lack
    shard_00000/meta.json   facts about the shard

A shard appears whole or not at all.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdps_ros.data.errors import DataError

MANIFEST = "manifest.json"


def shard_folder(out: Path, index: int) -> Path:
    """Where shard number `index` of a set lies."""
    return out / f"shard_{index:05d}"


def write_manifest(out: Path, facts: Mapping[str, Any]) -> None:
    """Begin a set, or go on with one of the same facts.

    Raises:
        DataError: the folder holds another set, or cannot be written.
    """
    path = out / MANIFEST
    text = json.dumps(dict(facts), indent=2, sort_keys=True) + "\n"
    try:
        if path.exists() and path.read_text(encoding="utf-8") != text:
            raise DataError(f"{out} holds other frames; choose another folder or remove it")
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write {path}: {error}") from error


def write_shard(
    out: Path, index: int, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]
) -> None:
    """Write one shard.

    Args:
        out: folder of the set.
        index: number of the shard.
        arrays: by the names of the files, as told at the top of this file.
        facts: for meta.json.

    Raises:
        DataError: it cannot be written.
    """
    folder = shard_folder(out, index)
    nursery = out / f".{folder.name}.partial"
    try:
        shutil.rmtree(nursery, ignore_errors=True)
        nursery.mkdir(parents=True)
        for name, array in arrays.items():
            np.save(nursery / f"{name}.npy", array)
        text = json.dumps(dict(facts), indent=2, sort_keys=True) + "\n"
        (nursery / "meta.json").write_text(text, encoding="utf-8")
        nursery.rename(folder)
    except OSError as error:
        raise DataError(f"cannot write {folder}: {error}") from error
    finally:
        shutil.rmtree(nursery, ignore_errors=True)
