from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from mdps_ros.ros import params
from mdps_ros.settings import Settings, SettingsError, describe, with_values
from mdps_ros.settings_file import to_ros_yaml

MakeNode = Callable[..., Node]


@pytest.fixture
def make_node() -> Iterator[MakeNode]:
    """A node whose command line holds these words after --ros-args."""
    made: list[tuple[Context, Node]] = []

    def make(*words: str) -> Node:
        context = Context()
        rclpy.init(args=["--ros-args", *words], context=context)
        made.append((context, Node("parameters", context=context)))
        return made[-1][1]

    yield make
    for context, node in made:
        node.destroy_node()
        context.shutdown()


def test_parameters_are_the_settings_with_type_range_and_meaning(make_node: MakeNode) -> None:
    node = make_node()
    params.declare(node)
    assert params.read(node) == Settings()
    for name, value, info in describe(Settings()):
        described = node.describe_parameter(name)
        assert described.description.startswith(info["doc"])
        assert ("while the node runs" in described.additional_constraints) == info["live"]
        if info["low"] is not None and info["high"] is not None:
            floats, integers = described.floating_point_range, described.integer_range
            (span,) = floats if isinstance(value, float) else integers
            assert (span.from_value, span.to_value) == (info["low"], info["high"])


def test_the_command_line_goes_over_the_file_and_that_over_the_default(
    make_node: MakeNode, tmp_path: Path
) -> None:
    file = tmp_path / "node.yaml"
    changed = with_values(Settings(), {"filter.particles_min": 321, "depth.range_max": 12.5})
    file.write_text(to_ros_yaml(changed))
    node = make_node("--params-file", str(file), "-p", "filter.particles_min:=55")
    params.declare(node)
    assert params.read(node) == with_values(changed, {"filter.particles_min": 55})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("filter.particles_max:=3", "filter.particles_max"),
        ("filter.kld_error:=7.5", "out of range"),
        ("filter.kld_error:=1", "must be a float such as 2.0, not 2"),
        ("filter.partikles_max:=3000", "did you mean filter.particles_max"),
        ("node.map:=7", "node.map must be a str"),
    ],
)
def test_a_bad_value_is_refused_by_name(make_node: MakeNode, given: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        params.declare(make_node("-p", given))


def test_a_word_that_is_no_choice_is_refused_when_read(make_node: MakeNode) -> None:
    node = make_node("-p", "runtime.device:=abacus")
    params.declare(node)
    with pytest.raises(SettingsError, match="auto, cpu, cuda"):
        params.read(node)


def test_parameters_of_others_are_left_alone(make_node: MakeNode) -> None:
    params.declare(make_node("-p", "use_sim_time:=true", "-p", "planner.horizon:=3"))


def judged(now: Settings | None, **values: Any) -> Settings | None:
    """What `judge` says to these parameters, set together."""
    given = [Parameter(name.replace("__", "."), value=value) for name, value in values.items()]
    return params.judge(given, now)


def test_live_settings_may_change_once_configured_and_the_others_stay() -> None:
    now = with_values(Settings(), {"filter.kld_bin": 2.0})
    wanted = judged(now, filter__particles_min=100, use_sim_time=True)
    assert wanted == with_values(now, {"filter.particles_min": 100})
    assert judged(now, use_sim_time=True) == now


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"runtime__seed": 4}, r"runtime\.seed is fixed while .*cleanup first"),
        ({"filter__kld_bin": 2.0, "frames__map": "site"}, r"frames\.map is fixed"),
        ({"filter__particles_min": 3000, "filter__particles_max": 2000}, "min exceeds"),
        ({"filter__kld_bin": 2}, None),
        ({"frames__map": "map"}, None),
        ({"filter__kld_error": 7.0}, "outside"),
    ],
)
def test_what_cannot_be_while_configured_is_refused(values: dict[str, Any], words: str) -> None:
    if words is None:
        assert judged(Settings(), **values) is not None
        return
    with pytest.raises(SettingsError, match=words) as error:
        judged(Settings(), **values)
    assert "\n" not in str(error.value)


def test_before_that_any_value_in_its_range_will_do() -> None:
    assert judged(None, runtime__seed=4, filter__particles_max=20, node__map="a.osm") is None
    with pytest.raises(SettingsError, match="auto, cpu, cuda"):
        judged(None, runtime__device="abacus")


def test_the_shipped_parameter_file_is_the_defaults() -> None:
    shipped = Path(__file__).parents[2] / "config" / "node.yaml"
    assert shipped.read_text() == to_ros_yaml(Settings())
