"""What holds for every test process: its own ROS domain, strict messages, checked shapes."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from pathlib import Path

from jaxtyping import install_import_hook

ROOT = Path(__file__).resolve().parent.parent
DOMAINS = range(102)  # ports of a larger domain id run into those that the kernel hands out


def _claim_domain() -> tuple[int, int]:
    """A domain id that nobody uses, and the open file that claims it.

    The claim holds against other test processes, which may not have opened a port yet; trying
    the discovery port finds the domains of all other ROS processes.
    """
    for domain in DOMAINS:
        path = Path(tempfile.gettempdir(), f"mdps_ros_test_domain_{os.getuid()}_{domain}")
        claim = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind(("", 7400 + 250 * domain))
        except OSError:
            os.close(claim)
            continue
        return domain, claim
    raise RuntimeError("no free ROS domain id: end other ROS processes on this machine")


_domain, _claim = _claim_domain()  # never closed: the claim lasts as long as this process
os.environ["ROS_DOMAIN_ID"] = str(_domain)
os.environ["ROS_PYTHON_CHECK_FIELDS"] = "1"
os.environ.setdefault("ROS_LOG_DIR", str(ROOT / "out" / "ros_log"))
# Humble and Jazzy read the older name; Kilted, and the wheels, warn about it.
_old = os.environ.get("ROS_DISTRO") in ("humble", "jazzy")
_profiles = "FASTRTPS_DEFAULT_PROFILES_FILE" if _old else "FASTDDS_DEFAULT_PROFILES_FILE"
os.environ.setdefault(_profiles, str(ROOT / "config" / "fastdds.xml"))

# Shapes in signatures are checked at run time here, and only here.
install_import_hook(["mdps_ros.core", "mdps_ros.models"], "beartype.beartype")
