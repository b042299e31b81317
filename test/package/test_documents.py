"""Documents say what the code says: parameters, lines of the log, commands, arguments."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mdps_ros.cli.main import COMMANDS
from mdps_ros.settings import Settings, describe
from mdps_ros.settings_file import to_markdown

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("robot", "parity", "troubleshooting", "parameters")
NAMES = {name for name, _, _ in describe(Settings())}
SECTIONS = {name.split(".")[0] for name in NAMES}


def text(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def test_the_page_of_parameters_is_current() -> None:
    expected = to_markdown(Settings())
    assert text("parameters") == expected, "run: mdps settings --markdown --out docs/parameters.md"


def source() -> str:
    """All code, with strings that run over several lines joined."""
    files = [*(ROOT / "mdps_ros" / "runtime").rglob("*.py"), *(ROOT / "mdps_ros/ros").glob("*.py")]
    files += [*(ROOT / "mdps_ros" / "settings").glob("*.py"), *(ROOT / "launch").glob("*.py")]
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join(path.read_text() for path in sorted(files)))


def log_lines(document: str) -> list[str]:
    """First column of the table under `The log says`."""
    table = document.partition("| The log says |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([^`]+)` \|", table, flags=re.MULTILINE)


def missing(lines: list[str], code: str) -> list[str]:
    """Parts of lines, between the dots, that the code does not say."""
    parts = [part.strip() for line in lines for part in line.split("...")]
    return [part for part in parts if part and part not in code]


def test_every_line_of_the_log_in_the_troubleshooting_is_one_that_the_code_writes() -> None:
    lines = log_lines(text("troubleshooting"))
    assert len(lines) > 15
    assert missing(lines, source()) == []


def test_a_line_that_nobody_writes_is_found_out() -> None:
    table = "| The log says | x |\n|---|---|\n| `odometry gap; the ... Martians` | y |\n\nz"
    assert missing(log_lines(table), source()) == ["Martians"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_settings_that_documents_name_exist(name: str) -> None:
    found = set(re.findall(rf"\b((?:{'|'.join(sorted(SECTIONS))})\.[a-z_]+)\b", text(name)))
    files = {word for word in found if word.endswith((".yaml", ".py", ".osm"))}
    assert found - files - NAMES == set()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_commands_arguments_and_links_of_documents_exist(name: str) -> None:
    document = text(name)
    assert set(re.findall(r"\bmdps ([a-z]+)\b", document)) <= set(COMMANDS)
    launch = (ROOT / "launch" / "localization.launch.py").read_text()
    for argument in re.findall(r"\b([a-z_]+):=", document):
        assert f'"{argument}"' in launch, argument
    for link in re.findall(r"\]\(([a-z_/]+\.md)\)", document):
        assert (ROOT / "docs" / link).is_file(), link
