"""`mdps_localization`: a lifecycle node, the thin shell around `runtime.Session`."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.timer import Timer

from mdps_ros.notes import Severity
from mdps_ros.ros import params
from mdps_ros.ros.aligning import AlignServices
from mdps_ros.ros.global_search import GlobalSearch
from mdps_ros.ros.map_changes import MapChanges
from mdps_ros.ros.starting import Starting
from mdps_ros.settings import SettingsError

if TYPE_CHECKING:
    from mdps_ros.ros.pipeline import Pipeline

NO_MAP = (
    "parameter node.map is empty; give a map file (.osm, .osm.pbf, nav2 YAML) or one of helsinki, "
    "suburb: `ros2 launch mdps_ros localization.launch.py map:=helsinki`"
)


class SetupError(Exception):
    """The node cannot be configured; the text is one line and names the remedy."""


def guarded(
    step: Callable[[LocalizationNode, LifecycleState], None],
) -> Callable[[LocalizationNode, LifecycleState], TransitionCallbackReturn]:
    """A transition that says why it failed: rclpy swallows exceptions in transitions."""

    @functools.wraps(step)
    def transition(node: LocalizationNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            step(node, state)
        except SetupError as error:
            node.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception:
            if node.context.ok():  # else a signal took the context away meanwhile
                node.get_logger().error(f"{step.__name__} failed:\n{traceback.format_exc()}")
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    return transition


WAITS = (
    "the node waits: set what is wrong, `ros2 param set {node} NAME VALUE`, then `ros2 lifecycle "
    "set {node} configure` and `ros2 lifecycle set {node} activate`; or end it with Ctrl-C and "
    "start it with the right value"
)


class LocalizationNode(LifecycleNode):
    """Odometry and depth images in; pose, hypotheses and map -> odom out.

    With the parameter `autostart` (default true) it configures and activates itself; a lifecycle
    manager sets it to false and does so itself.

    Args:
        options: keyword arguments of rclpy's node, for tests.

    Attributes:
        failed: the session raised; the process ends with an error.

    Raises:
        SettingsError: a parameter is unknown, of the wrong type or out of range.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("mdps_localization", **options)
        self.failed = False
        self._pipeline: Pipeline | None = None
        self._search: GlobalSearch | None = None
        taken = params.declare(self)
        self._start = taken.start
        for note in taken.told:
            if note.severity is Severity.WARN:
                self.get_logger().warning(note.text)
            else:
                self.get_logger().info(note.text)
        params.name_unknown(self)
        self.add_on_set_parameters_callback(self._judge_parameters)
        self._maps = MapChanges(self, lambda: self._pipeline)
        self._align = AlignServices(self, lambda: self._pipeline)
        self._starting = Starting(self, lambda: self._pipeline)
        self._search = GlobalSearch(self, lambda: self._pipeline)
        if self.declare_parameter("autostart", True).value:
            # By a clock that runs even while simulated time stands still, and from the executor,
            # so that the lifecycle services exist before torch is imported.
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            self._starter: Timer = self.create_timer(0.0, self._autostart, clock=steady)

    def _autostart(self) -> None:
        self._starter.cancel()
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()
        else:
            self.get_logger().error(WAITS.format(node=self.get_fully_qualified_name()))

    def _judge_parameters(self, parameters: list[Parameter[Any]]) -> SetParametersResult:
        pipeline = self._pipeline
        try:
            settings = params.judge(parameters, None if pipeline is None else pipeline.settings)
        except SettingsError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if pipeline is not None and settings not in (None, pipeline.settings):
            pipeline.adopt(settings)
        return SetParametersResult(successful=True)

    @guarded
    def on_configure(self, state: LifecycleState) -> None:
        """Read the settings, load the map, build session and topics."""
        # Here, not above: torch takes seconds, and a manager waits for our services meanwhile.
        from mdps_ros.maps import MapError, load_map
        from mdps_ros.ros.pipeline import Pipeline
        from mdps_ros.runtime.session import Session

        try:
            settings = params.read(self)
            if not settings.node.map:
                raise SetupError(NO_MAP)
            city = load_map(settings.node.map)
            session = Session(city, settings)
        except (SettingsError, MapError) as error:
            raise SetupError(f"cannot configure: {error}") from error
        self._pipeline = Pipeline(self, settings, city, session, self._session_failed)
        if self._start is not None:
            self._pipeline.request(self._start)
        super().on_configure(state)
        self.get_logger().info(f"configured: map {city.name}, id {city.id[:12]}")

    @guarded
    def on_activate(self, state: LifecycleState) -> None:
        """Open the gate for messages."""
        super().on_activate(state)
        if self._pipeline is not None:
            self._pipeline.open()
        self.get_logger().info("active: waiting for odometry")

    @guarded
    def on_deactivate(self, state: LifecycleState) -> None:
        """Close the gate; the belief is kept."""
        if self._pipeline is not None:
            self._pipeline.close()
        super().on_deactivate(state)

    @guarded
    def on_cleanup(self, state: LifecycleState) -> None:
        """Forget what configure made."""
        self.release()

    @guarded
    def on_shutdown(self, state: LifecycleState) -> None:
        """Forget what configure made, from any state."""
        self.release()

    @guarded
    def on_error(self, state: LifecycleState) -> None:
        """Back to unconfigured."""
        self.release()

    def destroy_node(self) -> None:
        """Destroy the node and what it serves; rclpy does so too where its making has failed."""
        if self._search is not None:
            self._search.destroy()
        super().destroy_node()

    def release(self) -> None:
        """Stop working; give back topics, session and map. Safe to repeat."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.destroy()

    def _session_failed(self, error: Exception) -> None:
        """End the process, unless it ends already and took a publisher from under the worker."""
        if self.context.ok():
            trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            self.get_logger().fatal(f"the session failed, so the process ends:\n{trace}")
            self.failed = True
            self.context.try_shutdown()
