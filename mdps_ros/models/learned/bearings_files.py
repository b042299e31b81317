"""The trained networks of the bearings-only study, as the package ships them."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from safetensors import SafetensorError, safe_open

from mdps_ros.models.learned.bearings import BearingsNetworks, member_seeds, named_modules
from mdps_ros.models.weights import WeightsError, load_weights

FOLDER = "learned/weights/bearings"


def bundled_folder() -> Path:
    """Where the weights that come with the package are."""
    return Path(str(resources.files("mdps_ros.models"))) / FOLDER


def load_networks(method: str, path: Path) -> BearingsNetworks:
    """The networks of a method from a file that `mdps train` wrote, all members, in eval mode.

    Raises:
        WeightsError: the file cannot be read or holds another method's networks.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
        seed, members = int(header["seed"]), int(header["members"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(
            f"cannot read {path} as weights of several members ({error}); make it by `mdps train`"
        ) from error
    networks = BearingsNetworks(method, member_seeds(seed, members))
    load_weights(path, named_modules(networks))
    return networks.eval()
