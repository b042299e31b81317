"""The README's tables of topics and services are the ones that the node uses."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mdps_ros.ros import services, topics

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"


def test_readme_shows_the_table_of_topics() -> None:
    assert topics.markdown().strip() in README.read_text(encoding="utf-8")


def test_readme_shows_the_table_of_services() -> None:
    assert services.markdown().strip() in README.read_text(encoding="utf-8")


def test_the_script_for_machines_without_ros_does_what_the_page_says(
    start_node: Any, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "robot.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    script = tmp_path / "look.py"
    script.write_text(code.replace("max_seconds=60.0", "max_seconds=1.0"))
    node = start_node(depth__enabled="false", camera__enabled="false")
    node.wait_for("active: waiting for odometry")

    def look(*words: str, seconds: float = 60.0) -> str:
        command = [sys.executable, str(script), *words]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True)
        return ran.stdout

    assert "successful=True" in look("set", "map_error.sd", "2.0")
    assert "it has used no frame yet (waiting_for: no odom for" in look("search")
    assert "success=True" in look("lifecycle", "deactivate")
    assert "success=True" in look("lifecycle", "activate")
    with pytest.raises(subprocess.TimeoutExpired) as ended:  # it looks until it is ended
        look(seconds=10.0)
    assert "LocalizerStatus(" in (ended.value.stdout or b"").decode()
