"""Images of both kinds on one map."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mdps_ros.runtime.cameras import ALIKE, Cameras, Look
from mdps_ros.runtime.events import ColourImageEvent, DepthImageEvent, ImageEvent, PinholeCamera
from mdps_ros.runtime.localizer import Motion
from mdps_ros.runtime.session import Session
from mdps_ros.settings import with_values
from test.runtime.town import (
    CAMERA,
    MOUNT,
    answers,
    fast_settings,
    images,
    initial_pose,
    odometry,
    wall_image,
)

CPU = torch.device("cpu")
WIDE = PinholeCamera(width=320, height=128, fx=160.0, fy=160.0, cx=159.5, cy=63.5)


def depth_image() -> DepthImageEvent:
    return DepthImageEvent(stamp_ns=1, depth=wall_image(), camera=CAMERA, T_base_camera=MOUNT)


def colour_image() -> ColourImageEvent:
    rgb = np.random.default_rng(0).integers(0, 255, (128, 320, 3), dtype=np.uint8)
    return ColourImageEvent(stamp_ns=1, rgb=rgb, camera=WIDE, T_base_camera=MOUNT)


@pytest.mark.parametrize("depth", [False, True])
@pytest.mark.parametrize("colour", [False, True])
def test_images_are_understood_where_their_model_is_on(town, depth: bool, colour: bool) -> None:
    cameras = Cameras(town, fast_settings(depth__enabled=depth, camera__enabled=colour), CPU)
    assert cameras.any == (depth or colour)
    assert cameras.understands(depth_image()) == depth
    assert cameras.understands(colour_image()) == colour
    looks = [cameras.bind(image) for image in (depth_image(), colour_image())]
    assert [look and look.name for look in looks] == [
        "depth" if depth else None,
        "camera" if colour else None,
    ]


def test_a_look_scores_clouds_of_any_shape_again_and_again(town) -> None:
    cameras = Cameras(town, fast_settings(camera__enabled=True), CPU)
    look = cameras.bind(colour_image())
    assert look is not None
    poses = torch.tensor([[[-140.0, 18.5, 0.1], [0.0, 20.0, 3.0], [60.0, 19.0, 0.0]]])
    first = look.log_likelihood(poses)
    assert first is not None
    assert first.shape == (1, 3)
    assert torch.isfinite(first).all()
    assert torch.equal(look.log_likelihood(poses), first)
    assert float(first.std()) > 0.0


def test_filters_that_skip_autograd_and_those_that_do_not_share_the_tiles(town) -> None:
    """Tensors of inference mode must not change in place outside of it."""
    cameras = Cameras(town, fast_settings(camera__enabled=True, camera__tile_memory=2.2), CPU)
    look = cameras.bind(colour_image())
    assert look is not None
    here = torch.tensor([[[-140.0, 18.5, 0.1]]])
    there = torch.tensor([[[110.0, 19.0, 0.0]]])
    with torch.inference_mode():
        first = look.log_likelihood(here)
        assert look.log_likelihood(there) is not None  # drives out some tiles of `here`
    again = look.log_likelihood(here)
    assert first is not None
    assert again is not None
    assert torch.equal(again, first)


def test_a_floor_plan_has_no_use_for_a_network_of_streets(floor) -> None:
    assert not Cameras(floor, fast_settings(camera__enabled=True), CPU).any


def test_where_it_is_searched_for_updates_are_remembered_by_what_tells_places_apart(
    town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The filter takes images in full, `~/align` by that part."""
    session = Session(town, fast_settings(depth__enabled=True, runtime__camera_timeout=60.0))
    bind, advance = session._cameras.bind, session._localizer.advance
    weighed: list[float] = []

    def part(image: ImageEvent) -> Look | None:
        look = bind(image)
        return None if look is None else look._replace(between=0.25)

    def advancing(motion: Motion, look: Look | None, share: float = 1.0) -> tuple[str, ...]:
        weighed.extend([] if look is None else [share])
        return advance(motion, look, share)

    monkeypatch.setattr(session._cameras, "bind", part)
    monkeypatch.setattr(session._localizer, "advance", advancing)
    answers(session, [*odometry(1), initial_pose()])
    answers(session, odometry(30, first_s=5.1, start=(1.0, 0.0, 0.0)))
    answers(session, images([5.6, 5.9, 6.2, 6.5]))
    seen = [seen.share for seen in session.recent if seen.look is not None]
    assert len(seen) >= 3
    assert seen == pytest.approx([0.25 * share for share in weighed])


def test_a_colour_camera_tells_places_apart_by_half_of_its_looks(town) -> None:
    look = Cameras(town, fast_settings(camera__enabled=True), CPU).bind(colour_image())
    assert look is not None
    assert look.between == ALIKE == 0.5


def test_looks_count_by_the_travel_since_the_last_one() -> None:
    look = Look("camera", lambda poses: None, decorrelation=8.0)
    assert look.share(2.0) == 0.25
    assert look.share(50.0) == 1.0


@pytest.mark.parametrize(
    ("kind", "make", "factor"),
    [("depth", depth_image, 3.0), ("camera", colour_image, 0.5)],
    ids=["depth", "camera"],
)
def test_other_settings_count_for_images_that_come_and_not_for_looks_that_are_bound(
    town, kind: str, make, factor: float
) -> None:
    """A smoother asks old looks again later, in another thread."""
    settings = fast_settings(depth__enabled=True, camera__enabled=True)
    cameras = Cameras(town, settings, CPU)
    poses = torch.tensor([[[-140.0, 18.5, 0.0], [-120.0, 20.0, 0.3]]])
    old = cameras.bind(make())
    assert old is not None
    score = old.log_likelihood(poses)
    assert score is not None
    changes = {f"{kind}.weight": factor, f"{kind}.decorrelation": 5.0}
    cameras.adopt(with_values(settings, changes))
    new = cameras.bind(make())
    assert new is not None
    assert torch.equal(old.log_likelihood(poses), score)
    torch.testing.assert_close(new.log_likelihood(poses), factor * score)
    assert new.decorrelation == 5.0 != old.decorrelation


def test_fewer_cells_are_scored_once_the_settings_say_so(town) -> None:
    settings = fast_settings(camera__enabled=True, camera__volume=False)
    cameras = Cameras(town, settings, CPU)
    poses = torch.tensor([[[-140.0, 18.5, 0.0], [-120.0, 20.0, 0.3]]])
    many = cameras.bind(colour_image())
    cameras.adopt(with_values(settings, {"camera.cells": 20}))
    few = cameras.bind(colour_image())
    assert many is not None
    assert few is not None
    assert not torch.allclose(many.log_likelihood(poses), few.log_likelihood(poses))
