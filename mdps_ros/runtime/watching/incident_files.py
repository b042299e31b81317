"""Incidents as folders: a picture to look at first, and all numbers behind it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mdps_ros.maps import Map
from mdps_ros.runtime.frames import compose, inverse
from mdps_ros.runtime.watching.belief_painter import credit_of
from mdps_ros.runtime.watching.belief_picture import draw_belief
from mdps_ros.runtime.watching.incidents import Incident
from mdps_ros.runtime.watching.map_window import Backdrops
from mdps_ros.runtime.watching.overlay import Scene, draw_overlay
from mdps_ros.runtime.watching.overlay_painter import overlay_of, picture_of
from mdps_ros.runtime.watching.record import Row, row_of
from mdps_ros.runtime.watching.sights import Sight
from mdps_ros.runtime.watching.snapshots import row_of_snapshot

FACTS = "event.json"
"""The file that tells a folder of ours from others."""
PIXELS = 640
GAP = 8

Picture = NDArray[np.uint8]


class IncidentFileError(Exception):
    """An incident cannot be written; the text is one line and names the remedy."""


class IncidentFolder:
    """A folder with the newest incidents, each in a folder of its own.

    Args:
        folder: made where it is not there.
        most: incidents that are kept; beyond, the oldest goes.
        map: of the run.
    """

    def __init__(self, folder: Path, most: int, map: Map) -> None:
        self._folder = folder
        self._most = most
        self._map = map
        self._scene: Scene | None = None
        self._backdrops = Backdrops(map, PIXELS)

    def write(self, incident: Incident) -> Path:
        """Write one, whole or not at all.

        Returns:
            Its folder.

        Raises:
            IncidentFileError: the disk is full, or nothing may be written there.
        """
        name = f"{incident.stamp_ns * 1e-9:.3f}_{incident.kind.value}"
        made, temporary = self._folder / name, self._folder / f".{name}.part"
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
            self._fill(temporary, incident)
            if made.exists():  # of the lap before, where a bag loops
                shutil.rmtree(made)
            temporary.replace(made)
            self._remove_oldest()
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise IncidentFileError(
                f"cannot write an event record to {self._folder}: {error.strerror or error}; make "
                "room or choose another node.event_dir"
            ) from error
        return made

    def _fill(self, folder: Path, incident: Incident) -> None:
        pictures = {"picture.png": self._picture(incident), **self._images(incident)}
        facts = {"files": [*pictures, "drive.json"], **self._facts(incident)}
        for name, value in ((FACTS, facts), ("drive.json", _drive(incident))):
            (folder / name).write_text(json.dumps(value, indent=1), encoding="utf-8")
        for name, picture in pictures.items():
            # encoded here, as cv2.imwrite does not tell of a full disk
            _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            (folder / name).write_bytes(data.tobytes())

    def _facts(self, incident: Incident) -> Row:
        jump = incident.jump
        return {
            "kind": incident.kind.value,
            "stamp_ns": incident.stamp_ns,
            "text": incident.text,
            "map": {"name": self._map.name, "id": self._map.id},
            "jump": None
            if jump is None or jump.before is None
            else {
                "cause": jump.cause.value,
                "before": jump.before.tolist(),
                "after": jump.after.tolist(),
            },
            "before": _belief(incident.before),
            "after": _belief(incident.after),
            "notes": [
                {
                    "stamp_ns": stamp_ns,
                    "code": note.code.value,
                    "severity": note.severity.name,
                    "text": note.text,
                    "data": {name: float(value) for name, value in note.data.items()},
                }
                for stamp_ns, note in incident.notes
            ],
        }

    def _picture(self, incident: Incident) -> Picture:
        """The belief before and after, side by side on the same part of the map."""
        beliefs = (("before", incident.before), ("after", incident.after))
        sights = [(word, sight) for word, sight in beliefs if sight is not None]
        backdrop = self._backdrops.behind(*(sight for _, sight in sights))
        credit = credit_of(self._map)
        panels: list[Picture] = []
        for word, sight in sights:
            way, seconds = _way(incident, sight), sight.estimate.stamp_ns * 1e-9
            panels.append(draw_belief(backdrop, sight, way, f"{word}, {seconds:.2f} s", credit))
        gap = np.full((panels[0].shape[0], GAP, 3), 255, np.uint8)
        row = [part for panel in panels for part in (panel, gap)][:-1]
        return _under_a_line(np.concatenate(row, axis=1), incident.text)

    def _images(self, incident: Incident) -> dict[str, Picture]:
        """The newest image, bare and with the map drawn in."""
        if incident.image is None:
            return {}
        image, estimate = incident.image
        self._scene = self._scene or Scene(self._map)
        pictures = {
            "image.png": picture_of(image),
            "overlay.png": overlay_of(image, estimate, self._scene),
        }
        jump = incident.jump
        # an image of another time was not seen from there
        if jump is not None and jump.before is not None and jump.stamp_ns == estimate.stamp_ns:
            pictures["overlay_before.png"] = draw_overlay(
                picture_of(image),
                image.camera,
                image.T_base_camera,
                jump.before,
                self._scene,
                "where it would be had nothing jumped",
            )
        return pictures

    def _remove_oldest(self) -> None:
        ours = [path for path in self._folder.iterdir() if (path / FACTS).is_file()]
        ours.sort(key=lambda path: path.stat().st_mtime_ns)
        for path in ours[: -self._most]:
            shutil.rmtree(path)


def _belief(sight: Sight | None) -> Row | None:
    if sight is None:
        return None
    row = row_of(sight.estimate)
    for mode, number in zip(row["modes"], sight.ids, strict=True):
        mode["id"] = number
    return {
        **row,
        "scale": list(sight.estimate.scale),
        "yaw_bias": list(sight.estimate.yaw_bias),
        "measurements": list(sight.estimate.measurements),
        "cloud": row_of_snapshot(sight.cloud),
    }


def _drive(incident: Incident) -> dict[str, Any]:
    """The last seconds: odometry as [stamp_ns, x m, y m, yaw rad], estimates as rows."""
    return {
        "odometry": [[e.stamp_ns, *e.T_odom_base.tolist()] for e in incident.odometry],
        "estimates": [row_of(estimate) for estimate in incident.estimates],
    }


def _way(incident: Incident, sight: Sight) -> NDArray[np.float64]:
    """(P, 2) m: where the vehicle came from, by odometry, if it is where it is estimated to be."""
    past = [e.T_odom_base for e in incident.odometry if e.stamp_ns <= sight.estimate.stamp_ns]
    if not past:
        return np.zeros((0, 2))
    T_map_odom = compose(sight.estimate.T_map_base, inverse(past[-1]))
    return np.array([compose(T_map_odom, pose)[:2] for pose in past])


def _under_a_line(picture: Picture, text: str) -> Picture:
    """A picture with a line of text above it."""
    head = np.full((30, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(head, text, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (20, 22, 26), 1, cv2.LINE_AA)
    return np.concatenate([head, picture])
