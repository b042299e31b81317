"""Stand-in for launch_ros.actions.node: start the executable of a package as a node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from launch.actions import ExecuteProcess
from launch.launch_context import LaunchContext
from launch.substitution import SomeSubstitutionsType, text

from launch_ros.actions.scope import NAMESPACE, PARAMETERS, join_namespaces
from launch_ros.parameter_descriptions import ParameterFile
from launch_ros.parameters import flatten, write_parameter_file
from launch_ros.substitutions import ExecutableInPackage


class Node(ExecuteProcess):
    """A ROS node in a process of its own.

    Args:
        executable: its name in the package's lib folder, or a program when package is None.
        package: the package.
        name: the node's name; the executable's own when None.
        namespace: inside the namespaces pushed before.
        exec_name: shown before its output.
        parameters: dictionaries and YAML files; later ones win.
        remappings: pairs of from and to.
        arguments: of the executable.
        ros_arguments: after --ros-args.
        **process: see ExecuteProcess.
    """

    def __init__(
        self,
        *,
        executable: SomeSubstitutionsType,
        package: SomeSubstitutionsType | None = None,
        name: SomeSubstitutionsType | None = None,
        namespace: SomeSubstitutionsType | None = None,
        exec_name: SomeSubstitutionsType | None = None,
        parameters: Iterable[Any] | None = None,
        remappings: Iterable[tuple[SomeSubstitutionsType, SomeSubstitutionsType]] | None = None,
        arguments: Iterable[SomeSubstitutionsType] | None = None,
        ros_arguments: Iterable[SomeSubstitutionsType] | None = None,
        **process: Any,
    ) -> None:
        super().__init__(cmd=(), name=exec_name, **process)
        self._package, self._executable = package, executable
        self._node_name, self._namespace = name, namespace
        self._parameters, self._remappings = list(parameters or []), list(remappings or [])
        self._arguments, self._ros_arguments = list(arguments or []), list(ros_arguments or [])

    def command(self, context: LaunchContext) -> list[str]:
        """Executable, arguments, then everything that ROS reads."""
        words = [self._program(context)]
        words += [text(word, context) for word in self._arguments]
        words += ["--ros-args", *(text(word, context) for word in self._ros_arguments)]
        if self._node_name is not None:
            words += ["-r", f"__node:={text(self._node_name, context)}"]
        namespace = self._full_namespace(context)
        if namespace:
            words += ["-r", f"__ns:={namespace}"]
        for path in self._parameter_files(context):
            words += ["--params-file", path]
        for old, new in self._remappings:
            words += ["-r", f"{text(old, context)}:={text(new, context)}"]
        return words

    def _program(self, context: LaunchContext) -> str:
        if self._package is None:
            return text(self._executable, context)
        return ExecutableInPackage(self._executable, self._package).perform(context)

    def _full_namespace(self, context: LaunchContext) -> str:
        outer = context.launch_configurations.get(NAMESPACE, "")
        inner = "" if self._namespace is None else text(self._namespace, context)
        namespace = join_namespaces(outer, inner)
        return namespace if not namespace or namespace.startswith("/") else f"/{namespace}"

    def _parameter_files(self, context: LaunchContext) -> list[str]:
        files = []
        common = dict(context.launch_configurations.get(PARAMETERS, ()))
        for item in [common, *self._parameters] if common else self._parameters:
            if isinstance(item, Mapping):
                folder = context.service.temporary_folder
                files.append(write_parameter_file(flatten(item, context), folder))
                continue
            files.append(
                text(item.param_file if isinstance(item, ParameterFile) else item, context)
            )
        return files


class LifecycleNode(Node):
    """A node with managed states; somebody else asks for its transitions.

    Args:
        name: the node's name, required here.
        namespace: its namespace, required here.
        **node: see Node.
    """

    def __init__(
        self, *, name: SomeSubstitutionsType, namespace: SomeSubstitutionsType, **node: Any
    ) -> None:
        super().__init__(name=name, namespace=namespace, **node)
