"""The sequential test by images: what adds up, how often it is wrong, and that it finds out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from mdps_ros.core.types import Belief
from mdps_ros.models.prior import PosePrior
from mdps_ros.runtime.cameras import Look
from mdps_ros.runtime.events import PlaceEvent
from mdps_ros.runtime.inputs.odometry_buffer import OdometrySample
from mdps_ros.runtime.localizer import Localizer
from mdps_ros.runtime.outputs import State
from mdps_ros.runtime.places import Places
from mdps_ros.runtime.recovery.claims import Claims
from mdps_ros.runtime.recovery.doubt import FARTHEST, NEAREST, Doubt, moved_off
from mdps_ros.settings import PlaceSettings, Settings
from test.runtime.town import fast_settings

SD = 3.0  # m, of the places that the simulated images show


@pytest.fixture(scope="module")
def belief(town) -> Belief:
    """Particles within some decimetres of the origin; the map has no error."""
    made = Localizer(town, fast_settings(map_error__sd=0.0), torch.device("cpu"))
    made.start(PosePrior(np.zeros(3), np.diag([0.01, 0.01, 0.0001])))
    return made.belief


def place(xy: Tensor) -> Look:
    """An image that shows the vehicle at a place, calibrated."""
    return Look("place", lambda poses: -0.5 * ((poses[..., :2] - xy) / SD).square().sum(-1), 1.0)


def nowhere(centre: np.ndarray, count: int) -> None:
    """A map without a place to be."""


def step(inside: float, outside: float) -> Look:
    """Scores of the poses within a metre of the origin, and of all others."""

    def score(poses: Tensor) -> Tensor:
        near = poses[..., :2].norm(dim=-1) < 1.0
        return torch.where(near, inside, outside)

    return Look("step", score, 1.0)


def test_evidence_against_the_claim_adds_up_by_its_share(belief) -> None:
    doubt = Doubt()
    for number in range(1, 5):
        doubt.look(step(-3.0, 1.0), belief, 0.5, nowhere)
        assert doubt.against == pytest.approx(number * 0.5 * 4.0, abs=1e-4)
    doubt.forget()
    assert doubt.against == 0.0


def test_images_that_fit_take_it_back_but_no_credit_is_kept(belief) -> None:
    doubt = Doubt()
    doubt.look(step(-3.0, 1.0), belief, 1.0, nowhere)
    doubt.look(step(1.5, 0.0), belief, 1.0, nowhere)
    assert doubt.against == pytest.approx(4.0 - 1.5, abs=1e-4)
    for _ in range(20):
        doubt.look(step(1.5, 0.0), belief, 1.0, nowhere)
    assert doubt.against == 0.0
    doubt.look(step(-3.0, 1.0), belief, 1.0, nowhere)
    assert doubt.against == pytest.approx(4.0, abs=1e-4)


def test_an_image_that_fits_anywhere_or_cannot_be_scored_says_nothing(belief) -> None:
    doubt = Doubt()
    doubt.look(step(-2.0, -2.0), belief, 1.0, nowhere)
    doubt.look(Look("none", lambda poses: None, 1.0), belief, 1.0, nowhere)
    assert doubt.against == pytest.approx(0.0, abs=1e-5)


def alarms(belief: Belief, threshold: float, at: float, sharpness: float = 1.0) -> tuple[int, int]:
    """Looks and alarms while images show the vehicle `at` metres east of the claim."""
    generator = torch.Generator().manual_seed(4)
    doubt, count, looks = Doubt(), 0, 400
    for _ in range(looks):
        shown = torch.tensor([at, 0.0]) + SD * torch.randn(2, generator=generator)
        honest = place(shown).log_likelihood
        look = Look("place", lambda poses: sharpness * honest(poses), 1.0)  # noqa: B023
        doubt.look(look, belief, 1.0, nowhere)
        if doubt.against > threshold:
            count += 1
            doubt.forget()
    return looks, count


@pytest.mark.parametrize("threshold", [0.7, 1.5])
def test_false_alarms_are_no_more_than_the_bound(belief, threshold: float) -> None:
    """On average at least exp(threshold) looks between two; five standard errors on top."""
    looks, count = alarms(belief, threshold, 0.0)
    most = looks / math.exp(threshold)
    assert count < most + 5.0 * math.sqrt(most)


def test_the_bound_does_not_hold_where_the_claim_is_wrong(belief) -> None:
    looks, count = alarms(belief, 1.5, 20.0)
    assert count > 2.0 * looks / math.exp(1.5)


def test_a_wrong_claim_is_found_out_within_a_few_looks(belief) -> None:
    looks, count = alarms(belief, 12.0, 20.0)
    assert looks / count < 5.0


def test_what_fits_speaks_for_the_claim_until_it_lapses(belief) -> None:
    doubt = Doubt()
    doubt.look(step(1.5, 0.0), belief, 0.5, nowhere)
    doubt.look(step(0.0, 1.0), belief, 0.5, nowhere)
    assert doubt.support == pytest.approx(0.5 * (1.5 - 1.0), abs=1e-4)
    assert doubt.against == pytest.approx(0.5, abs=1e-4)
    doubt.lapse()
    assert (doubt.support, doubt.against > 0.0) == (0.0, True)


def test_what_says_little_of_the_place_supports_by_that_part_and_contradicts_in_full(
    belief,
) -> None:
    doubt = Doubt()
    doubt.look(step(1.5, 0.0)._replace(between=0.25), belief, 0.5, nowhere)
    assert doubt.support == pytest.approx(0.25 * 0.5 * 1.5, abs=1e-4)
    doubt.look(step(-3.0, 1.0)._replace(between=0.25), belief, 0.5, nowhere)
    assert doubt.against == pytest.approx(0.5 * 4.0, abs=1e-4)


def confirmed(belief: Belief, threshold: float, elsewhere: bool, forgiving: bool = False) -> float:
    """Share of 100 claims that 25 images confirm; they show the claim, or places around it."""
    generator = torch.Generator().manual_seed(7)
    around = moved_off(belief.state.pose[:, :64])[0, :, :2]
    count = 0
    for _ in range(100):
        doubt = Doubt()
        for _ in range(25):
            true = around[torch.randint(64, (), generator=generator)] if elsewhere else 0.0
            shown = place(true + SD * torch.randn(2, generator=generator))
            doubt.look(shown, belief, 1.0, nowhere)
            if doubt.support >= threshold:
                count += 1
                break
            if forgiving and doubt.support < 0.0:
                doubt.lapse()
    return count / 100


def test_wrong_places_are_confirmed_no_more_often_than_the_bound(belief) -> None:
    """exp(-1), three standard errors on top; a sum that forgets what spoke against breaks it."""
    bound = math.exp(-1.0)
    most = bound + 3.0 * math.sqrt(bound * (1.0 - bound) / 100)
    assert confirmed(belief, 1.0, elsewhere=True) < most
    assert confirmed(belief, 1.0, elsewhere=True, forgiving=True) > most


def test_right_places_are_confirmed_soon(belief) -> None:
    assert confirmed(belief, 4.0, elsewhere=False) == 1.0


def test_moved_poses_are_the_same_every_time_and_spread_evenly() -> None:
    poses = torch.zeros(1, 64, 3)
    moved = moved_off(poses)
    assert torch.equal(moved, moved_off(poses))
    distance = moved[0, :, :2].norm(dim=-1)
    assert distance.min() >= NEAREST - 1e-4
    assert distance.max() <= FARTHEST + 1e-4
    logs = (distance / NEAREST).log() / math.log(FARTHEST / NEAREST)
    assert np.histogram(logs, 4, (0, 1))[0].tolist() == pytest.approx([16] * 4, abs=2)
    angles = torch.atan2(moved[0, :, 1], moved[0, :, 0])
    assert np.histogram(angles, 4, (-math.pi, math.pi))[0].tolist() == pytest.approx(
        [16] * 4, abs=3
    )
    assert (moved[0, :, 2] == 0.0).sum() == 32


def test_places_of_the_map_weigh_as_much_as_the_moved_poses(belief) -> None:
    """The mean over both: what only the map's places fit counts half, in the mean of p."""
    asked: list[tuple[np.ndarray, int]] = []

    def streets(centre: np.ndarray, count: int) -> Tensor:
        asked.append((centre, count))
        return torch.tensor([[[500.0, 0.0, 0.0]]]).expand(1, count, 3)

    def score(poses: Tensor) -> Tensor:
        near, far = poses[..., :2].norm(dim=-1) < 1.0, poses[..., 0] > 400.0
        return torch.where(near, -3.0, torch.where(far, 2.0, -60.0))

    doubt = Doubt()
    doubt.look(Look("step", score, 1.0), belief, 1.0, streets)
    assert doubt.against == pytest.approx(5.0 - math.log(2.0), abs=1e-4)
    assert asked[0][0] == pytest.approx(np.zeros(2), abs=0.3)
    missed = Doubt()  # the moved poses alone do not see it
    missed.look(Look("step", score, 1.0), belief, 1.0, nowhere)
    assert missed.against == 0.0


def test_places_beyond_the_map_that_a_model_holds_are_left_out(belief) -> None:
    honest = step(-3.0, 1.0).log_likelihood

    def score(poses: Tensor) -> Tensor | None:
        return None if (poses[..., 0] > 400.0).any() else honest(poses)

    doubt = Doubt()
    far = torch.full((1, 8, 3), 500.0)
    doubt.look(Look("step", score, 1.0), belief, 1.0, lambda centre, count: far)
    assert doubt.against == pytest.approx(4.0, abs=1e-4)


def fix(x: float, sd: float) -> Look:
    """A GNSS fix beside the origin, as the filter takes it."""
    covariance = np.diag([sd**2, sd**2, 1e6])
    event = PlaceEvent(
        stamp_ns=1,
        name="fix",
        T_map_base=np.array([x, 0.0, 0.0]),
        covariance=covariance,
        with_yaw=False,
    )
    return Places(PlaceSettings())._look(event, np.zeros(3))


@pytest.mark.parametrize(("sd", "found"), [(2.0, True), (200.0, False)])
def test_a_fix_confirms_a_place_if_it_tells_it_from_those_around(
    belief, town, sd: float, found: bool
) -> None:
    """With images that say nothing, which are asked all the time."""
    localizer = Localizer(town, fast_settings(map_error__sd=0.0), torch.device("cpu"))
    localizer.start(PosePrior(np.zeros(3), np.diag([0.01, 0.01, 0.0001])))
    claims = Claims(Settings())
    claims.begin(told=False)
    for number in range(4):
        claims.look(step(0.0, 0.0), belief, 1.0, nowhere)
        claims.hear(fix(0.5, sd), belief, 1.0, nowhere)
        now = OdometrySample(number, np.zeros(3), 5.0 * number)
        claims.report(now, localizer.summary(), 0.0, 5.0 * number, ("camera", "fix"))
    assert (claims.state is State.TRACKING) == found


def test_a_fix_elsewhere_raises_no_alarm(belief) -> None:
    doubt = Doubt()
    doubt.look(fix(10.0, 3.0), belief, 1.0, nowhere, alarms=False)
    assert doubt.against == 0.0
    assert doubt.support < 0.0
    doubt.look(fix(10.0, 3.0), belief, 1.0, nowhere)
    assert doubt.against > 0.0
