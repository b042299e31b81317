"""The README's tables of topics and services are the ones that the node uses."""

from pathlib import Path

from mdps_ros.ros import services, topics

README = Path(__file__).resolve().parents[2] / "README.md"


def test_readme_shows_the_table_of_topics() -> None:
    assert topics.markdown().strip() in README.read_text(encoding="utf-8")


def test_readme_shows_the_table_of_services() -> None:
    assert services.markdown().strip() in README.read_text(encoding="utf-8")
