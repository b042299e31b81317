"""Entry point of `ros2 run mdps_ros localization_node`."""

from __future__ import annotations

import os
import signal
import sys

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from mdps_ros.ros.node import LocalizationNode
from mdps_ros.runtime.waiting import compute_alone, wait_briefly
from mdps_ros.settings import SettingsError


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM.

    Args:
        args: command line; None takes that of the process.

    Returns:
        Exit code: 0 after a signal, 1 when the session failed, 2 for a bad parameter.
    """
    wait_briefly(os.environ)  # torch is imported when the node is configured
    compute_alone(os.environ)
    node: LocalizationNode | None = None
    try:
        rclpy.init(args=args)
        node = LocalizationNode()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executor.spin()
    except SettingsError as error:
        print(f"mdps_localization: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:
        # rclpy's signal handler takes the context away from under calls in flight, which end in
        # RCLError, or in a message that pybind11 cannot convert any more.
        if rclpy.ok():
            raise
    finally:
        # Ctrl-C under `ros2 launch` comes twice: from the terminal and from launch. Neither may
        # cut the clean-up short.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if node is not None:
            node.release()
            node.destroy_node()
        rclpy.try_shutdown()
    return 1 if node is not None and node.failed else 0


if __name__ == "__main__":
    sys.exit(main())
