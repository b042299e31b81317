"""The topics that a checkup listens to: the user's, else the node's, never another in its place."""

from __future__ import annotations

from mdps_ros.runtime.checkup.choosing import OWN, Choice, Graph, choose
from mdps_ros.runtime.checkup.observation import Unfed

IMAGE, ODOMETRY = ["sensor_msgs/msg/Image"], ["nav_msgs/msg/Odometry"]
COMPRESSED = ["sensor_msgs/msg/CompressedImage"]
NODE = {"/rect": IMAGE, "/rect/compressed": COMPRESSED, "/odom": ODOMETRY}


def test_a_topic_that_the_node_does_not_listen_to_never_stands_in_for_its_own() -> None:
    graph = Graph({"/image": IMAGE, "/odom": ODOMETRY}, NODE, ())
    assert choose(graph, "image", None, "/image") == Choice(None, Unfed("/rect", ("/image",)))
    assert choose(graph, "odom", None, "/odom") == Choice("/odom")
    alone = Graph({}, NODE, ())
    assert choose(alone, "odom", None, "/odom") == Choice(None, Unfed("/odom", ()))


def test_the_compressed_form_feeds_the_node_as_well() -> None:
    graph = Graph({"/image": IMAGE, "/rect/compressed": COMPRESSED}, NODE, ())
    assert choose(graph, "image", None, "/image") == Choice("/rect/compressed")


def test_a_topic_that_the_user_names_is_looked_at_and_the_hungry_node_told_all_the_same() -> None:
    graph = Graph({"/image": IMAGE}, NODE, ())
    choice = choose(graph, "image", "/image", "/image")
    assert choice == Choice("/image", Unfed("/rect", ("/image",)))
    assert "nobody publishes /none" in choose(graph, "image", "/none", "/image").problem


def test_without_a_node_the_usual_name_goes_before_the_only_one() -> None:
    graph = Graph({"/image": IMAGE, "/other": IMAGE, "/wheels": ODOMETRY}, {}, ())
    assert choose(graph, "image", None, "/image") == Choice("/image")
    assert choose(graph, "odom", None, "/odom") == Choice("/wheels")
    several = choose(graph, "image", None, "/absent")
    assert several.topic is None
    assert "2 topics may be the image: /image, /other; choose" in several.problem


def test_what_the_node_answers_is_no_camera() -> None:
    offered = {"/overlay": IMAGE, "/hypothesis_map": IMAGE, "/front": IMAGE, "/odometry": ODOMETRY}
    own = {"/" + name for name in OWN}
    graph = Graph(offered, {"/rect": IMAGE}, own)
    assert choose(graph, "image", None, "/image").unfed == Unfed("/rect", ("/front",))
    alone = graph._replace(listened={})
    assert choose(alone, "image", None, "/image") == Choice("/front")
    assert choose(alone, "odom", None, "/odom") == Choice(None)


def test_the_node_does_without_fixes() -> None:
    graph = Graph({}, {"/fix": ["sensor_msgs/msg/NavSatFix"]}, ())
    assert choose(graph, "fix", None, "/fix") == Choice(None)
