from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import yaml

from mdps_ros.cli import evaluate_bearings, train
from mdps_ros.cli.main import main
from mdps_ros.evaluation import bearings as suite
from mdps_ros.models.learned.bearings import BearingsNetworks, named_modules
from mdps_ros.models.weights import save_weights

ROOT = Path(__file__).parents[2]


@pytest.fixture
def untrained(tmp_path):
    for name, method, _ in suite.ENTRIES:
        modules = named_modules(BearingsNetworks(method, range(2)))
        save_weights(tmp_path / f"{name}.safetensors", modules, {"seed": "0", "members": "2"})
    return tmp_path


def test_command_writes_rows_and_summaries_and_draws(untrained, capsys, monkeypatch):
    tiny = [suite.Setup(name, 4, 5, 5, 1) for name in ("2023", "2024")]
    monkeypatch.setattr(suite, "study_rows", partial(suite.study_rows, setups=tiny))
    out, figure = untrained / "out.json", untrained / "out.png"
    words = ["--sequences", "1", "--weights", str(untrained)]
    files = ["--json", str(out), "--figure", str(figure)]
    assert main(["evaluate", "bearings", *words, *files]) == 0
    content = json.loads(out.read_text())
    names = [row["name"] for row in content["rows"]]
    assert len(names) == 3 * 2 * len(suite.ENTRIES)  # two members and a summary, two set-ups
    assert "2023 MDPS median of 2" in names
    assert figure.stat().st_size > 10_000
    assert "A-MDPF" in capsys.readouterr().out


def test_missing_weights_are_one_line_and_exit_code_2(tmp_path, capsys):
    assert main(["evaluate", "bearings", "--weights", str(tmp_path)]) == 2
    assert "tg_pf.safetensors" in capsys.readouterr().err


def test_retraining_makes_every_start_before_it_is_used(monkeypatch):
    monkeypatch.chdir(ROOT)
    made = []

    def note(recipe, out, *rest):
        for start in yaml.safe_load(recipe.read_text())["options"].get("start", []):
            assert Path(start).parent in made
        made.append(out)

    monkeypatch.setattr(train, "train", note)
    evaluate_bearings._train_all()
    assert {path.name for path in made} == {"start", *(entry.weights for entry in suite.ENTRIES)}
