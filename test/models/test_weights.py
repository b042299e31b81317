"""Weights go to a file and back, or are refused with the reason."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mdps_ros.models.weights import WeightsError, load_weights, save_weights


def modules(seed: int, width: int = 4) -> dict[str, nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width))
        encoder[1].running_mean.normal_()
        return {"encoder": encoder, "head": nn.Linear(width, 1)}


def tensors(given: dict[str, nn.Module]) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": tensor.clone()
        for name, module in given.items()
        for key, tensor in module.state_dict().items()
    }


def test_weights_and_facts_come_back_bit_identical(tmp_path):
    path, one, other = tmp_path / "w.safetensors", modules(0), modules(1)
    save_weights(path, one, {"seed": "0", "licence": "Apache-2.0"})
    assert load_weights(path, other) == {"seed": "0", "licence": "Apache-2.0"}
    expected, found = tensors(one), tensors(other)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert other["head"].weight.requires_grad
    assert [file.name for file in tmp_path.iterdir()] == ["w.safetensors"]


def test_equal_weights_make_equal_files(tmp_path):
    for name in ("a", "b"):
        save_weights(tmp_path / name, modules(0), {"y": "å", "x": "1", "z": "3"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert load_weights(tmp_path / "a", modules(1)) == {"x": "1", "y": "å", "z": "3"}


def renamed() -> dict[str, nn.Module]:
    given = modules(0)
    return {"encoder": given["encoder"], "haed": given["head"]}


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (renamed(), r"lacks haed.bias; give the weights of this very model"),
        ({"encoder": modules(0)["encoder"]}, r"also has head.bias"),
        (modules(0, 5), r"encoder.0.weight has the shape \(4, 3\), the model \(5, 3\)"),
    ],
)
def test_weights_of_another_model_are_refused_untouched(model, said, tmp_path):
    save_weights(tmp_path / "w", modules(0), {})
    before = tensors(model)
    with pytest.raises(WeightsError, match=said):
        load_weights(tmp_path / "w", model)
    after = tensors(model)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("content", [None, b"", b"no weights at all"])
def test_what_is_no_file_of_weights_is_one_line(content, tmp_path):
    if content is not None:
        (tmp_path / "w").write_bytes(content)
    with pytest.raises(WeightsError, match="cannot read weights from") as error:
        load_weights(tmp_path / "w", modules(0))
    assert "\n" not in str(error.value)
