from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "msg").glob("*.msg"))
SERVICES = sorted((ROOT / "srv").glob("*.srv"))
ACTIONS = sorted((ROOT / "action").glob("*.action"))
FIELD = re.compile(r"^(?P<type>[\w/]+(\[\d*\])?)\s+(?P<name>\w+)\s*(?P<constant>=\s*\w+)?")
UNIT_OR_FRAME = re.compile(
    r"unit: (1|byte|metre|radian)\b|frame\b|metre|radian|empty without a map"
)
TEXT = re.compile(r"\b(file|hash|what)\b", re.IGNORECASE)
STRING = re.compile(r"^string(\[\])?\s+(\w+)", re.MULTILINE)


def fields(text: str) -> list[tuple[str, str]]:
    """Each field or constant with its comment: the block before it, and the rest of its line."""
    result, block = [], ""
    for line in text.splitlines():
        field = FIELD.match(line)
        if line.startswith("#"):
            block += line
        elif field:
            result.append((field["name"], block + line[field.end() :]))
            block = ""
        else:
            block = ""
    return result


def typestore() -> Any:
    """The standard types of rosbags with ours."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    types: dict[str, Any] = {}
    for path in FILES:
        types.update(get_types_from_msg(path.read_text(), f"mdps_ros/msg/{path.stem}"))
    store.register(types)
    return store


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_field_has_a_comment_with_its_unit_or_frame(path: Path) -> None:
    text = path.read_text()
    found, words = fields(text), {name for _, name in STRING.findall(text)}
    assert found
    for name, comment in found:
        assert UNIT_OR_FRAME.search(comment) or (name in words and TEXT.search(comment)), name


def test_that_check_sees_a_field_without_unit() -> None:
    text = "# A comment; unit: 1.\nuint8 a\n\nfloat64 b\n# No word on it.\nfloat64 c\n"
    found = fields(text)
    assert [name for name, _ in found] == ["a", "b", "c"]
    assert [bool(UNIT_OR_FRAME.search(comment)) for _, comment in found] == [True, False, False]


@pytest.mark.parametrize("path", SERVICES + ACTIONS, ids=lambda path: path.stem)
def test_every_field_of_a_service_or_action_says_what_it_is(path: Path) -> None:
    parts = path.read_text().split("---")
    assert len(parts) == (3 if path in ACTIONS else 2)
    for name, comment in (field for part in parts for field in fields(part)):
        assert UNIT_OR_FRAME.search(comment) or TEXT.search(comment), name


def test_cmake_names_every_file_of_an_interface() -> None:
    text = (ROOT / "CMakeLists.txt").read_text()
    assert sorted(re.findall(r'"msg/(\w+)\.msg"', text)) == [path.stem for path in FILES]
    assert sorted(re.findall(r'"srv/(\w+)\.srv"', text)) == [path.stem for path in SERVICES]
    assert sorted(re.findall(r'"action/(\w+)\.action"', text)) == [path.stem for path in ACTIONS]


def example(name: str) -> Any:
    """A generated message with another value in every field."""
    messages = importlib.import_module("mdps_ros.msg")
    message = getattr(messages, name)()
    for number, (field, kind) in enumerate(message.get_fields_and_field_types().items(), start=2):
        if kind == "double":
            setattr(message, field, number + 0.25)
        elif kind.startswith("uint"):
            setattr(message, field, number)
        elif kind == "boolean":
            setattr(message, field, True)
        elif kind == "string":
            setattr(message, field, f"text {number}")
        elif kind == "sequence<string>":
            setattr(message, field, ["one", f"text {number}"])
        elif kind == "sequence<double>":
            setattr(message, field, [0.5, number + 0.25])
        elif kind.startswith("sequence<mdps_ros/"):
            inside = kind.removeprefix("sequence<mdps_ros/").removesuffix(">")
            setattr(message, field, [example(inside), example(inside)])
        elif kind == "builtin_interfaces/Time":
            getattr(message, field).sec = number
        elif kind == "std_msgs/Header":
            message.header.frame_id = "map"
            message.header.stamp.sec, message.header.stamp.nanosec = 12, 34
        elif kind == "geometry_msgs/Pose":
            getattr(message, field).position.y = number + 0.5
        else:
            assert kind == "geometry_msgs/PoseWithCovariance", kind
            message.pose.pose.position.x = 1.5
            message.pose.covariance[35] = 0.125
    return message


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_rosbags_reads_what_ros_writes_and_writes_what_ros_reads(path: Path) -> None:
    message, store = example(path.stem), typestore()
    name = f"mdps_ros/msg/{path.stem}"
    parsed = store.deserialize_cdr(serialize_message(message), name)
    written = bytes(store.serialize_cdr(parsed, name))
    assert deserialize_message(written, type(message)) == message
    assert deserialize_message(serialize_message(message), type(message)) == message


def test_states_of_the_status_are_distinct() -> None:
    from mdps_ros.msg import LocalizerStatus

    names = ("UNINITIALIZED", "GLOBAL", "AMBIGUOUS", "TRACKING", "LOST", "RECOVERING")
    assert sorted(getattr(LocalizerStatus, name) for name in names) == [0, 1, 2, 3, 4, 5]
