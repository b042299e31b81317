"""How particles are chosen, by the word of the settings."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mdps_ros.runtime import redrawing
from mdps_ros.settings import FilterSettings, Settings, SettingsError, with_values

COUNT = 4000


def chosen(resampling: str) -> Tensor:
    """Ancestors of as many draws as there are equally heavy particles."""
    settings = FilterSettings(resampling=resampling)
    mixture = redrawing.redrawing(settings, torch.device("cpu")).mixture
    log_weights = torch.full((1, COUNT), -math.log(COUNT))
    generator = torch.Generator().manual_seed(5)
    return mixture(torch.zeros(1, COUNT, 3), log_weights, COUNT, generator).ancestors[0]


def check_independent(ancestors: Tensor) -> None:
    """Of independent draws 1 - (1 - 1/N)^N of the particles are chosen, within 5 deviations."""
    share = len(ancestors.unique()) / COUNT
    empty = math.exp(-1.0)
    deviation = math.sqrt(empty * (1.0 - 2.0 * empty) / COUNT)  # occupancy problem, N draws
    assert abs(share - (1.0 - empty)) < 5.0 * deviation


@pytest.mark.parametrize("resampling", ["stratified", "systematic", "residual"])
def test_equally_heavy_particles_are_all_chosen_unless_draws_are_independent(resampling) -> None:
    assert len(chosen(resampling).unique()) >= COUNT - 1  # one may be rounded away


def test_multinomial_draws_are_independent() -> None:
    check_independent(chosen("multinomial"))
    with pytest.raises(AssertionError):
        check_independent(chosen("stratified"))


def test_every_word_of_the_setting_is_a_scheme_and_others_are_refused() -> None:
    field = FilterSettings.__dataclass_fields__["resampling"]
    assert tuple(redrawing.SCHEMES) == field.metadata["choices"]
    with pytest.raises(SettingsError, match="use one of stratified"):
        with_values(Settings(), {"filter.resampling": "random"})
