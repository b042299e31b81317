"""A belief survives its file; what is no belief of this map is refused by name."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mdps_ros.core.types import Belief
from mdps_ros.models.motion import VehicleState
from mdps_ros.runtime.keeping.belief_file import (
    BeliefFileError,
    SavedBelief,
    read_belief,
    write_belief,
)
from mdps_ros.runtime.outputs import State

MAP = "a" * 64


def saved(count: int = 50, seed: int = 0) -> SavedBelief:
    draw = torch.Generator().manual_seed(seed)
    log_weights = torch.randn(1, count, generator=draw)
    log_weights[0, 0] = -torch.inf
    state = VehicleState(
        pose=torch.randn(1, count, 3, generator=draw),
        calibration=torch.randn(1, count, 4, generator=draw),
        quality=torch.randint(2, (1, count), generator=draw),
        factor=torch.eye(4).expand(1, 2, 4, 4),
        map_offset=torch.randn(1, count, 2, generator=draw),
        map_slope=torch.randn(1, count, 2, generator=draw),
    )
    return SavedBelief(
        map_id=MAP,
        state=State.TRACKING,
        stamp_ns=1_700_000_000_987_654_321,
        T_odom_base=np.array([0.1, -1e6 / 3, 3.1]),
        travelled=88.1,
        fit=-0.3,
        belief=Belief(state, log_weights - log_weights.logsumexp(1, keepdim=True)),
    )


def test_a_belief_comes_back_bit_for_bit(tmp_path: Path) -> None:
    value, path = saved(), tmp_path / "deep" / "belief.safetensors"
    size = write_belief(path, value)
    assert size == path.stat().st_size
    found = read_belief(path, MAP)
    assert found[:3] == value[:3]
    assert found.travelled == value.travelled
    assert found.fit == value.fit
    np.testing.assert_array_equal(found.T_odom_base, value.T_odom_base)
    assert torch.equal(found.belief.log_weights, value.belief.log_weights)
    for mine, theirs in zip(found.belief.state, value.belief.state, strict=True):
        assert torch.equal(mine, theirs)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_belief_of_another_map_is_refused(tmp_path: Path) -> None:
    write_belief(tmp_path / "belief", saved())
    with pytest.raises(BeliefFileError, match="belongs to the map aaaaaaaaaaaa, not to bbbb"):
        read_belief(tmp_path / "belief", "b" * 64)


def damage(name: str, content: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of a file with one thing wrong."""
    changed = dict(content)
    if name == "lacks":
        del changed["factor"]
    elif name == "nan":
        changed["pose"] = changed["pose"].clone()
        changed["pose"][0, 3, 1] = torch.nan
    elif name == "infinite":
        changed["map_offset"] = changed["map_offset"] + torch.inf
    elif name == "count":
        changed["quality"] = changed["quality"][:, 1:]
    elif name == "empty":
        changed = {k: v if k == "factor" else v[:, :0] for k, v in changed.items()}
    elif name == "type":
        changed["pose"] = changed["pose"].double()
    elif name == "quality":
        changed["quality"] = changed["quality"] + 7
    else:
        changed["log_weights"] = changed["log_weights"] + 1.0
    return {key: value.contiguous() for key, value in changed.items()}


KINDS = ("lacks", "nan", "infinite", "count", "empty", "type", "quality", "weights")


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_belief_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "belief"
    write_belief(path, saved())
    facts = {"format": "mdps_ros belief 2", "map_id": MAP, "state": "TRACKING"}
    facts["numbers"] = "[1, 0, 0, 0, 0, 0]"
    content = load_file(path)
    save_file(content, path, facts)
    assert read_belief(path, MAP).stamp_ns == 1  # so it is the damage that is refused
    save_file(damage(kind, content), path, facts)
    with pytest.raises(BeliefFileError, match=r"is damaged .*; remove it"):
        read_belief(path, MAP)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_file_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "belief"
    size = write_belief(path, saved())
    os.truncate(path, int(share * size))
    with pytest.raises(BeliefFileError, match="is no saved belief, or damaged"):
        read_belief(path, MAP)


def test_what_is_no_belief_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BeliefFileError, match="cannot read"):
        read_belief(tmp_path / "nothing", MAP)
    save_file({"pose": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(BeliefFileError, match="holds no belief of this version"):
        read_belief(tmp_path / "other", MAP)


@contextmanager
def full_disk(bytes_left: int) -> Iterator[None]:
    """No file of this process can grow beyond a size; Python ignores the signal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("bytes_left", [0, 100, 2000])
def test_on_a_full_disk_the_old_file_stays(tmp_path: Path, bytes_left: int) -> None:
    path, old = tmp_path / "belief", saved(seed=1)
    write_belief(path, old)
    before = path.read_bytes()
    with full_disk(bytes_left), pytest.raises(BeliefFileError, match=r"cannot save .*; make room"):
        write_belief(path, saved(seed=2))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["belief"]
    write_belief(path, saved(seed=2))
    assert path.read_bytes() != before


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BeliefFileError, match=r"another node\.state_file"):
        write_belief(tmp_path / "file" / "belief", saved())
