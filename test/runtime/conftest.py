"""Maps that several tests drive on; they are read-only."""

from __future__ import annotations

import pytest

from test.runtime.town import floor_map, town_map


@pytest.fixture(scope="package")
def town(tmp_path_factory):
    """A few streets and houses."""
    return town_map(tmp_path_factory.mktemp("town"))


@pytest.fixture(scope="package")
def floor(tmp_path_factory):
    """A room without roads."""
    return floor_map(tmp_path_factory.mktemp("floor"))
