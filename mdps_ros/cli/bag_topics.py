"""Which topics of a bag are a drive: odometry, image, its intrinsics, fixes, and the truth."""

from __future__ import annotations

from typing import NamedTuple

from mdps_ros.data import bag_writer
from mdps_ros.data.bag import Bag
from mdps_ros.data.errors import BagError

ODOMETRY_TYPE = "nav_msgs/msg/Odometry"
TWIST_TYPE = "geometry_msgs/msg/TwistWithCovarianceStamped"
TRANSFORM_TYPE = "tf2_msgs/msg/TFMessage"
IMAGE_TYPE = "sensor_msgs/msg/Image"
COMPRESSED_TYPE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO_TYPE = "sensor_msgs/msg/CameraInfo"
FIX_TYPE = "sensor_msgs/msg/NavSatFix"

SOURCES = {
    "pose": ODOMETRY_TYPE,
    "odometry_twist": ODOMETRY_TYPE,
    "twist": TWIST_TYPE,
    "tf": TRANSFORM_TYPE,
}
"""Value of `node.odometry_source` -> type of the messages."""
IMAGE_TOPICS = (bag_writer.COLOUR_TOPIC, bag_writer.DEPTH_TOPIC)
TF_TOPIC = "/tf"
NO_ODOMETRY = (bag_writer.TRUTH_TOPIC, bag_writer.STATIC_TF_TOPIC)
"""Of a type that odometry has, too."""


class DriveTopics(NamedTuple):
    """Names in the bag; None where it has no such topic, or it is not wanted."""

    odometry: str | None
    image: str | None
    camera_info: str | None
    truth: str | None
    fix: str | None = None


def choose_topics(
    bag: Bag,
    odometry: str | None = None,
    image: str | None = None,
    *,
    source: str = "pose",
    fix: str | None = None,
) -> DriveTopics:
    """Find odometry, image, its intrinsics and the truth among a bag's topics.

    What is not named is the topic with a usual name (colour before depth), or else the only one
    of its type; a compressed image is taken where the bag has it alone. The intrinsics are
    `camera_info` beside the image. Fixes are left out unless they are named.

    Args:
        bag: the recording.
        odometry: name of the odometry, None to find it.
        image: name of the image, depth or colour, None to find it.
        source: what is odometry, as `node.odometry_source`.
        fix: name of GNSS fixes that are to take part, None for none.

    Raises:
        BagError: a topic is missing or of another type, or there is no unique one to find.
    """
    truth = bag_writer.TRUTH_TOPIC if bag_writer.TRUTH_TOPIC in bag.topics else None
    kind = SOURCES[source]
    usual = TF_TOPIC if source == "tf" else bag_writer.ODOMETRY_TOPIC
    names = sorted(n for n, its in bag.topics.items() if its == kind and n not in NO_ODOMETRY)
    found = odometry or (usual if usual in names else _one(bag, names, kind, "odometry"))
    if found is None:
        raise BagError(f"{bag.path} has no {kind}, only {_listed(bag)}{_elsewhere(bag, source)}")
    _check(bag, found, (kind,), "odometry")
    image, info = choose_image(bag, image)
    if fix is not None:
        _check(bag, fix, (FIX_TYPE,), "a fix")
    return DriveTopics(found, image, info, truth, fix)


def choose_image(bag: Bag, image: str | None = None) -> tuple[str | None, str | None]:
    """An image and its intrinsics, as `choose_topics`.

    Raises:
        BagError: one is missing or of another type, or there is no unique one to find.
    """
    image = image or _image(bag)
    if image is None:
        return None, None
    info = f"{raw_name(image).rpartition('/')[0]}/camera_info"
    _check(bag, image, (IMAGE_TYPE, COMPRESSED_TYPE), "an image")
    _check(bag, info, (CAMERA_INFO_TYPE,), "the camera_info beside an image")
    return image, info


def _check(bag: Bag, name: str, kinds: tuple[str, ...], what: str) -> None:
    """Raises BagError where a topic is not there or of another type."""
    if name not in bag.topics:
        raise BagError(f"{bag.path} has no topic {name}, only {_listed(bag)}")
    if bag.topics[name] not in kinds:
        here = ", ".join(sorted(n for n, its in bag.topics.items() if its in kinds))
        text = f"{name} is {bag.topics[name]}; {what} is {' or '.join(kinds)}"
        raise BagError(f"{text}, here: {here or 'none'}")


def raw_name(image: str) -> str:
    """Name of the raw image that a compressed one stands for; that of a raw one is its own."""
    return image.removesuffix("/compressed")


def _image(bag: Bag) -> str | None:
    """The image: one with a usual name, or the only one; raw where the bag has both forms.

    Raises:
        BagError: there are several.
    """
    for name in IMAGE_TOPICS:
        for form in (name, f"{name}/compressed"):
            if form in bag.topics:
                return form
    forms = {
        raw_name(name): name
        for name, kind in bag.topics.items()
        if kind == COMPRESSED_TYPE and not name.endswith("/compressedDepth")
    }
    forms |= {name: name for name, kind in bag.topics.items() if kind == IMAGE_TYPE}
    return _one(bag, sorted(forms.values()), f"{IMAGE_TYPE} or {COMPRESSED_TYPE}", "image")


def _one(bag: Bag, names: list[str], kind: str, what: str) -> str | None:
    """The only name; None when there is none.

    Raises:
        BagError: there are several.
    """
    if len(names) > 1:
        raise BagError(
            f"{bag.path} has {len(names)} topics of type {kind}; choose one with "
            f"--{what}-topic: {', '.join(names)}"
        )
    return names[0] if names else None


def _elsewhere(bag: Bag, source: str) -> str:
    """How another kind of odometry that the bag has can be used."""
    for other, kind in SOURCES.items():
        names = [n for n, its in bag.topics.items() if its == kind and n not in NO_ODOMETRY]
        if kind != SOURCES[source] and names:
            return f"; {names[0]} is read with --set node.odometry_source={other}"
    return ""


def _listed(bag: Bag) -> str:
    return ", ".join(sorted(bag.topics)) or "nothing"
