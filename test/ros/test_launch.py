"""The launch files, through whichever launch is installed: the distribution's or the overlay's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mdps_ros.ros import topics

ROOT = Path(__file__).parents[2]
ACTIVE = "active: waiting for odometry"


def test_every_argument_is_documented(start: Any) -> None:
    for name in ("localization", "replay"):
        shown = start("launch", str(ROOT / f"launch/{name}.launch.py"), "--show-args")
        assert shown.popen.wait(30) == 0, shown.text
        text = shown.text
        assert "no description given" not in text
        assert "'map':" in text


def test_launch_starts_a_named_node_in_a_namespace(start: Any, partner: Any, town: Path) -> None:
    launch = start(
        "launch",
        "mdps_ros",
        "localization.launch.py",
        f"map:={town}",
        "namespace:=car",
        "node_name:=amcl",
        "image_topic:=front/depth",
        "image_reliable:=true",
    )
    launch.wait_for(ACTIVE)
    maps = partner.hear(topics.MAP, "/car/map")
    names = partner.node.get_node_names_and_namespaces()
    assert ("amcl", "/car") in names
    (image,) = partner.node.get_subscriptions_info_by_topic("/car/front/depth")
    assert image.qos_profile.reliability == topics.IMAGE.qos(True).reliability
    assert partner.until(lambda: maps)
    assert launch.end() == 0, launch.text
    assert "finished cleanly" in launch.text


def test_values_go_over_the_parameter_file(start: Any, town: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("/**:\n  ros__parameters:\n    node:\n      map: nowhere.osm\n")
    arguments = ("mdps_ros", "localization.launch.py", f"params_file:={file}")
    start("launch", *arguments).wait_for("nowhere.osm: no such map file")
    start("launch", *arguments, f"map:={town}").wait_for(ACTIVE)
