"""nav2_msgs/srv/LoadMap: the service by which nav2's map server changes its map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

from mdps_ros.ros.installed import installed

if TYPE_CHECKING:
    from mdps_ros.maps import MapError

# Results of nav2_msgs/srv/LoadMap.
SUCCESS = 0
DOES_NOT_EXIST = 1
INVALID_DATA = 2
INVALID_METADATA = 3
UNDEFINED_FAILURE = 255

NO_NAV2 = (
    "nav2_msgs is not installed, so the service ~/nav2_load_map is not offered; ~/load_map does "
    "the same"
)


class UrlError(ValueError):
    """A URL leads to no file; the text is one line and names the remedy."""


def nav2_load_map_type() -> Any | None:
    """The type of nav2's service, None where nav2_msgs is not installed."""
    return installed("nav2_msgs.srv", "LoadMap")


def named_by(map_url: str) -> str:
    """What a `map_url` names, as the parameter node.map would.

    Args:
        map_url: file:///path, package://package/path, or what nav2's map server takes as well, a
            plain path, with or without ~ at its beginning; or helsinki, suburb.

    Raises:
        UrlError: another scheme, another host, or a package that is not there.
    """
    parts = urlsplit(map_url)
    path = unquote(parts.path)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return path
    if parts.scheme == "package":
        try:
            return get_package_share_directory(parts.netloc) + path
        except (PackageNotFoundError, ValueError) as error:
            raise UrlError(
                f"{map_url}: no package {parts.netloc} here; install it, or give a path"
            ) from error
    if "://" in map_url:
        raise UrlError(f"{map_url}: give a path, file:///path or package://package/path")
    return str(Path(map_url).expanduser()) if map_url.startswith("~") else map_url


def why_unusable(error: MapError) -> int:
    """The result that fits a map which could not be loaded."""
    # Here, not above: it brings torch, see the node's on_configure.
    from mdps_ros.maps import MapHeaderError, MissingMapError

    if isinstance(error, MissingMapError):
        return DOES_NOT_EXIST
    return INVALID_METADATA if isinstance(error, MapHeaderError) else INVALID_DATA
