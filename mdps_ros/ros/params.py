"""Settings as ROS parameters: declared with type, range and meaning, read back in one go."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterNotDeclaredException,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from mdps_ros.ros.amcl_names import Taken, take_over
from mdps_ros.runtime.live_settings import compare
from mdps_ros.settings import Settings, SettingsError, check, describe, with_values

LIVE = "may be set while the node runs"
FIXED = "read when the node is configured; set it before"
SECTIONS = frozenset(name.split(".")[0] for name, _, _ in describe(Settings()))
"""First words of the names of settings."""


def descriptor(value: Any, info: Mapping[str, Any]) -> ParameterDescriptor:
    """What `ros2 param describe` shows and rclpy enforces for one setting.

    Args:
        value: default; its type decides the type of the parameter.
        info: metadata of the field, see `mdps_ros.settings.setting`.
    """
    unit = f" Unit: {info['unit']}." if info["unit"] else ""
    made = ParameterDescriptor(description=info["doc"] + unit)
    made.additional_constraints = LIVE if info["live"] else FIXED
    if info["choices"]:
        made.additional_constraints += "; one of " + ", ".join(info["choices"])
    if info["low"] is None or info["high"] is None:
        return made
    if isinstance(value, float):
        low, high = float(info["low"]), float(info["high"])
        made.floating_point_range = [FloatingPointRange(from_value=low, to_value=high, step=0.0)]
    else:
        low, high = int(info["low"]), int(info["high"])
        made.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
    return made


def declare(node: Node) -> Taken:
    """Declare every setting; values from the launch file or YAML are taken where given.

    Returns:
        What became of values that were given by AMCL's names.

    Raises:
        SettingsError: an unknown name, a wrong type or a value out of range was given.
    """
    _refuse_unknown(node)
    taken = take_over({name: p.value for name, p in overrides(node).items()})
    for name, value, info in describe(Settings()):
        try:
            given = taken.values.get(name, value)
            node.declare_parameter(name, given, descriptor(value, info))
        except InvalidParameterTypeException as error:
            wanted = type(value).__name__
            hint = " such as 2.0, not 2" if wanted == "float" else ""
            raise SettingsError(f"parameter {name} must be a {wanted}{hint}") from error
        except InvalidParameterValueException as error:
            raise SettingsError(f"parameter {name}: {error}") from error
    return taken


def read(node: Node) -> Settings:
    """Settings as the parameters now say.

    Raises:
        SettingsError: values contradict each other or a word is not one of the choices.
    """
    values = {name: node.get_parameter(name).value for name, _, _ in describe(Settings())}
    return with_values(Settings(), values)


def judge(parameters: list[Parameter[Any]], now: Settings | None) -> Settings | None:
    """What settings follow from an attempt at setting parameters, all of them together.

    Args:
        parameters: what somebody wants to set.
        now: the settings in force; None while none has been read, when any value in its range
            will do: whether they go together is judged when they are read.

    Returns:
        The settings that are to be in force; None while none has been read.

    Raises:
        SettingsError: a value is out of range, contradicts another one, or belongs to a setting
            that is fixed now.
    """
    known = {name: info for name, _, info in describe(Settings())}
    wanted = {p.name: p.value for p in parameters if p.name in known}
    if now is None:
        for name, value in wanted.items():
            check(name, value, known[name])
        return None
    settings = with_values(now, wanted)
    fixed = compare(now, settings).fixed
    if fixed:
        raise SettingsError(f"{fixed[0]} is fixed while the node is configured; cleanup first")
    return settings


class UnknownParameter(ParameterNotDeclaredException):
    """A name in our sections that nobody declared; the text names the nearest that exists.

    Of rclpy's class, whose text its services answer with.
    """

    def __init__(self, name: str) -> None:
        super().__init__([name])
        self._text = _unknown(name)

    def __str__(self) -> str:
        """One line."""
        return self._text


def name_unknown(node: Node) -> None:
    """Let attempts to set an unknown parameter be answered with the name that is near.

    Humble's rclpy does not ask before it refuses, so nothing changes there.
    """

    def look(parameters: list[Parameter[Any]]) -> list[Parameter[Any]]:
        for parameter in parameters:
            if _is_ours(parameter.name) and not node.has_parameter(parameter.name):
                raise UnknownParameter(parameter.name)
        return parameters

    ask_first = getattr(node, "add_pre_set_parameters_callback", None)
    if ask_first is not None:
        ask_first(look)


def overrides(node: Node) -> Mapping[str, Parameter[Any]]:
    """What the command line, the launch file and YAML say, also of names that nobody declares."""
    given: Mapping[str, Parameter[Any]] = getattr(node, "_parameter_overrides", {})
    return given


def _refuse_unknown(node: Node) -> None:
    """Raise on overrides in our sections that no setting has: rclpy drops them in silence."""
    known = {name for name, _, _ in describe(Settings())}
    for name in overrides(node):
        if _is_ours(name) and name not in known:
            raise SettingsError(_unknown(name))


def _is_ours(name: str) -> bool:
    """Whether a name begins with one of our sections."""
    return name.split(".")[0] in SECTIONS


def _unknown(name: str) -> str:
    known = [known for known, _, _ in describe(Settings())]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
    return f"unknown parameter {name}; did you mean {near}?"
