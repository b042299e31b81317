"""Stand-in for `ros2 launch`: `python -m launch PACKAGE FILE name:=value ...`."""

import sys

from launch.command_line import main

sys.exit(main())
