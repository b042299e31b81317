from __future__ import annotations

import json

import numpy as np
import pytest

from mdps_ros.cli import frames as command
from mdps_ros.cli.main import main


def files_of(folder):
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths}


def test_shards_do_not_depend_on_how_many_work_and_a_rerun_makes_what_is_missing(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(command, "PER_SHARD", 4)
    for shard in (0, 1):
        command.render_shard("helsinki", "test", 7, 3, shard, tmp_path / "by_hand")
    made = files_of(tmp_path / "by_hand")
    assert set(made) == {
        f"shard_0000{shard}/{name}"
        for shard in (0, 1)
        for name in ("rgb.npy", "pose.npy", "camera.npy", "depth.npy", "label.npy", "meta.json")
    }
    poses = [np.load(tmp_path / "by_hand" / f"shard_0000{i}" / "pose.npy") for i in (0, 1)]
    assert [len(p) for p in poses] == [4, 3]
    command.render_shard("helsinki", "test", 7, 3, 1, tmp_path / "again")
    again = files_of(tmp_path / "again")
    assert all(made[name] == content for name, content in again.items())


def test_the_command_writes_a_manifest_and_keeps_what_is_there(tmp_path, capsys):
    arguments = ["frames", "--split", "test", "--count", "5", "--out", str(tmp_path / "f")]
    assert main([*arguments, "--jobs", "1"]) == 0
    before = files_of(tmp_path / "f")
    facts = json.loads(before["manifest.json"])
    assert (facts["map"], facts["split"], facts["count"]) == ("helsinki", "test", 5)
    assert main(arguments) == 0
    assert "0 of them new" in capsys.readouterr().out
    assert files_of(tmp_path / "f") == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--map", "suburb", "--split", "train"), "use all"),
        (("--split", "some"), "all, train, test"),
        (("--map", "nowhere.osm"), "nowhere.osm"),
    ],
)
def test_wrong_input_ends_with_code_2_and_the_remedy(tmp_path, arguments, words, capsys):
    assert main(["frames", *arguments, "--out", str(tmp_path / "f")]) == 2
    assert words in capsys.readouterr().err


def test_frames_of_other_arguments_are_not_mixed(tmp_path, capsys):
    (tmp_path / "manifest.json").write_text("{}")
    assert main(["frames", "--out", str(tmp_path)]) == 2
    assert "other frames" in capsys.readouterr().err
