"""Lets a virtual environment run one checkout of mdps_ros (copied here by its set-up).

Imported by a .pth file at every start of the interpreter. Three things, in this order:

- the checkout comes before site-packages, so that an edit is live; `mdps_ros.msg`, which is
  generated, is still found in site-packages (see `mdps_ros/__init__.py`);
- the checkout's `overlay` comes last of all: a stand-in is imported only where nothing before it
  on the path, such as a sourced ROS distribution, has a package of that name;
- the environment's own prefix joins AMENT_PREFIX_PATH, which is how share folders are found.
"""

import os
import sys

CHECKOUT = "@CHECKOUT@"

sys.path.insert(sys.path.index(os.path.dirname(os.path.abspath(__file__))), CHECKOUT)
sys.path.append(os.path.join(CHECKOUT, "overlay"))

_prefixes = [path for path in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if path]
if sys.prefix not in _prefixes:
    os.environ["AMENT_PREFIX_PATH"] = os.pathsep.join([*_prefixes, sys.prefix])
