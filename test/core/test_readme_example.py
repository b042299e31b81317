"""What the README shows of the core runs, and does what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_example_of_the_readme_has_a_gradient_into_the_bandwidth() -> None:
    found = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found.group(1), names)
    assert names["bandwidth"].grad.abs().item() > 0.01
    assert names["belief"].log_weights.exp().sum().item() > 0.999
