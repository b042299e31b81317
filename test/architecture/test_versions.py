from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import mdps_ros

ROOT = Path(__file__).resolve().parents[2]


def test_the_version_is_the_same_everywhere() -> None:
    package = ElementTree.parse(ROOT / "package.xml").findtext("version")
    setup = re.search(r'^VERSION = "(.+)"$', (ROOT / "setup.py").read_text(), re.MULTILINE)
    changelog = re.search(r"^(\d+\.\d+\.\d+) \(", (ROOT / "CHANGELOG.rst").read_text(), re.M)
    assert setup is not None
    assert changelog is not None
    assert {package, setup[1], changelog[1]} == {mdps_ros.__version__}
