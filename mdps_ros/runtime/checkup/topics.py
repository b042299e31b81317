"""Checks of the topics: are they there, do they match, come in time and fit together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mdps_ros.runtime.checkup.finding import Finding, failed, passed, warned
from mdps_ros.runtime.checkup.observation import ROLES, Observation, TopicSeen, Unfed
from mdps_ros.settings import Settings

ODOMETRY_HZ = 5.0
"""Slower odometry hardly knows the way between two images."""
IMAGE_HZ = 0.5
"""Slower images are few per street."""
SKEW_S = 0.3
"""Latencies of camera and odometry may differ by so much without being an error."""
CLOCK_S = 1.0
"""A live stamp this far from now is of another clock."""
DAY_S = 86400.0
"""Stamps that lie further back are of another time, not of another clock."""
MATCHED_SHARE = 0.9
"""Share of the images that must lie in the odometry's time."""
FASTEST_MPS = 80.0
"""No vehicle on a street is faster; beyond it the odometry jumps or is in other units."""
MOVING_M = 3.0
"""Who travels less stands still, and a map cannot tell where."""

SOURCES = {
    "odom": "what publishes the vehicle's odometry",
    "twist": "what publishes the vehicle's velocity",
    "image": "the camera's driver",
    "camera_info": "the camera's driver",
}
"""Role -> what feeds it."""

Stamps = NDArray[np.int64]


def wants_images(settings: Settings) -> bool:
    """Whether a measurement model uses images."""
    return settings.camera.enabled or settings.depth.enabled


def odometry_role(settings: Settings) -> str:
    """Which topic is the odometry."""
    source = settings.node.odometry_source
    return source if source in ("twist", "tf") else "odom"


def check_presence(seen: Observation, settings: Settings) -> list[Finding]:
    """Every input is there, has the right type and one publisher, and something comes."""
    odometry = odometry_role(settings)
    found = [
        failed("topics", problem.partition("; ")[0], _rest(problem)) for problem in seen.problems
    ]
    if odometry == "tf":
        found.append(_transforms(seen, settings))
    else:
        found.append(_presence(seen, odometry, needed=True))
    if wants_images(settings):
        found.append(_presence(seen, "image", needed=False))
        # without a camera there are no intrinsics either
        if "image" in seen.topics or ((unfed := seen.unfed.get("camera_info")) and unfed.instead):
            found.append(_presence(seen, "camera_info", needed=True))
    return found


def _rest(problem: str) -> str:
    return problem.partition("; ")[2] or "name the topic, see `mdps doctor --help`"


def _presence(seen: Observation, role: str, *, needed: bool) -> Finding:
    kinds, topic = ROLES[role].types, seen.topics.get(role)
    name = f"{role} topic"
    if role in seen.unfed:
        return _unfed(name, role, seen.unfed[role])
    if topic is None:
        text = f"no topic of type {' or '.join(kinds)}"
        if needed:
            return failed(name, text, f"start what publishes it, or name it with {_option(role)}")
        return warned(
            name, text, "the filter then goes by odometry and roads alone; start a camera"
        )
    if not set(topic.types) <= set(kinds):
        wrong = ", ".join(topic.types)
        return failed(name, f"{topic.name} is {wrong}, not {kinds[0]}", f"use {_option(role)}")
    if not topic.stamps_ns:
        return failed(name, f"{topic.name} is silent", "start its publisher, or look at `qos`")
    if topic.unusable:
        text = f"{topic.unusable} of {len(topic.stamps_ns)} messages of {topic.name} are no numbers"
        return failed(name, text, "its pose is not finite, its quaternion zero or its data damaged")
    if len(topic.offers) > 1:
        text = f"{len(topic.offers)} publishers write {topic.name}"
        return warned(name, text, "stop all but one, or remap them")
    return passed(name, f"{topic.name}, {len(topic.stamps_ns)} messages")


def _transforms(seen: Observation, settings: Settings) -> Finding:
    """Odometry out of TF: transforms that carry the vehicle in the odometry frame."""
    way = f"{settings.frames.odom} -> {settings.frames.base}"
    topic = seen.topics.get("tf")
    if topic is None or not (topic.stamps_ns or topic.unusable):
        text = f"no transform on /tf leads from {way}"
        remedy = "start the driver that broadcasts it, or set frames.odom and frames.base"
        return failed("odometry", text, remedy)
    if topic.unusable:
        text = f"{topic.unusable} transforms {way} are no numbers"
        return failed("odometry", text, "their quaternion is zero or they are not finite")
    return passed("odometry", f"{way} on {topic.name}, {len(topic.stamps_ns)} transforms")


def _unfed(name: str, role: str, unfed: Unfed) -> Finding:
    """The node waits for a topic: which one to give it, or what to start."""
    text = f"the node listens to {unfed.topic}, which nobody publishes"
    argument = f"{role}_topic"
    if not unfed.instead:
        text += f"; nothing here carries {' or '.join(ROLES[role].types)}"
        start = f"start {SOURCES[role]}, or name its topic at the node's start with {argument}:=..."
        if role == "image":  # a robot may have no camera
            return warned(name, text, f"{start}; it goes by odometry and roads alone till then")
        return failed(name, text, start)
    # The node looks for the compressed form of an image beside it, under the image's name.
    instead = [topic.removesuffix("/compressed") for topic in unfed.instead]
    more = f", or {' or '.join(instead[1:])}" if instead[1:] else ""
    carry = "carries" if len(instead) == 1 else "carry"
    return failed(
        name,
        f"{text}; {', '.join(unfed.instead)} {carry} that type",
        f"start the node with {argument}:={instead[0]}{more}",
    )


def _option(role: str) -> str:
    return f"--{'odometry' if role in ('odom', 'twist') else role.replace('_', '-')}-topic"


def check_qos(seen: Observation, settings: Settings) -> list[Finding]:
    """What we ask for is offered; a bag says nothing of it."""
    found = []
    for role, topic in seen.topics.items():
        setting = ROLES[role].setting
        if not topic.offers:
            continue
        name = f"{role} QoS"
        wanted = bool(getattr(settings.node, setting)) if setting else True
        if role == "tf_static" and not all(offer.latched for offer in topic.offers):
            text = f"a publisher of {topic.name} is volatile, so late listeners miss the transform"
            found.append(
                failed(name, text, "publish it transient local, as StaticTransformBroadcaster does")
            )
        elif wanted and not all(offer.reliable for offer in topic.offers):
            remedy = f"set node.{setting} to false" if setting else "publish it reliable"
            text = f"{topic.name} is offered best effort, we ask for reliable"
            found.append(failed(name, text, remedy))
        else:
            found.append(passed(name, "reliable" if wanted else "best effort matches every offer"))
    return found


def check_rates(seen: Observation, settings: Settings) -> list[Finding]:
    """Odometry comes often enough, and more often than images; images come at all."""
    found = []
    odometry = seen.topics.get(odometry_role(settings))
    image = seen.topics.get("image") if wants_images(settings) else None
    image_hz = None if image is None else rate_hz(image)
    odometry_hz = None if odometry is None else rate_hz(odometry)
    if odometry_hz is not None:
        least = max(ODOMETRY_HZ, image_hz or 0.0)
        text = f"{odometry_hz:.1f} Hz"
        if odometry_hz < 0.95 * least:
            text += f", less than {least:.1f} Hz"
            found.append(warned("odometry rate", text, "publish it at least as often as images"))
        else:
            found.append(passed("odometry rate", text))
    if image_hz is not None:
        text = f"{image_hz:.1f} Hz"
        if image_hz < IMAGE_HZ:
            found.append(
                warned(
                    "image rate", text, "raise it; best-effort images may get lost, see `transport`"
                )
            )
        else:
            found.append(passed("image rate", text))
    return found


def rate_hz(topic: TopicSeen) -> float | None:
    """Messages per second by the stamps; None for fewer than two."""
    stamps = np.asarray(topic.stamps_ns, dtype=np.int64)
    span = float(stamps.max() - stamps.min()) * 1e-9 if len(stamps) > 1 else 0.0
    return (len(stamps) - 1) / span if span > 0.0 else None


def check_stamps(seen: Observation, settings: Settings) -> list[Finding]:
    """Stamps are set, rise, leave no gap, and are of this clock."""
    found = []
    longest = {odometry_role(settings): settings.runtime.max_odometry_gap}
    if wants_images(settings):
        longest["image"] = settings.runtime.camera_timeout
    for role, gap_s in longest.items():
        topic = seen.topics.get(role)
        if topic is not None and topic.stamps_ns:
            found.append(_stamps(role, topic, gap_s, seen))
    return found


def _stamps(role: str, topic: TopicSeen, gap_s: float, seen: Observation) -> Finding:
    name = f"{role} stamps"
    stamps = np.asarray(topic.stamps_ns, dtype=np.int64)
    if (stamps == 0).any():
        return failed(name, f"{topic.name} has stamps of zero", "fill header.stamp at the sensor")
    steps = np.diff(stamps) * 1e-9
    back = int((steps < 0.0).sum())
    if back:
        text = f"stamps of {topic.name} go back {back} times, by up to {-steps.min():.3f} s"
        return warned(name, text, "let one publisher stamp it by one clock; late ones are dropped")
    late_s = (np.asarray(topic.arrivals_ns) - stamps) * 1e-9 + (seen.clock_ahead_s or 0.0)
    from_bag = seen.live and seen.clock_ahead_s is None and bool((late_s > DAY_S).all())
    late, since = float(np.median(late_s)), ""
    if from_bag:  # nothing is wrong: the node goes by the stamps, whatever their date
        since = f"stamped {_date(int(stamps[-1]))}, so a bag seems to be playing; "
    elif seen.live and abs(late) > CLOCK_S:
        side = "before" if late > 0.0 else "after"
        now = "now" if seen.clock_ahead_s is None else "/clock"
        text = f"{topic.name} is stamped {_span(abs(late))} {side} {now}"
        if abs(late) > DAY_S:
            text += f", {_date(int(stamps[-1]))}"
        return warned(name, text, "synchronise the clocks, or set use_sim_time where a bag plays")
    gap = float(steps.max()) if len(steps) else 0.0
    if gap > gap_s:
        text = f"the longest gap of {topic.name} is {gap:.2f} s, more than {gap_s:g} s"
        return warned(name, text, "look for lost messages")
    return passed(name, f"{since}rising, longest gap {gap:.2f} s")


def _date(stamp_ns: int) -> str:
    return str(np.datetime64(stamp_ns, "ns").astype("datetime64[D]"))


def _span(seconds: float) -> str:
    """A length of time in words, in a unit that fits it."""
    for unit, length_s in (("days", DAY_S), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2.0 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.1f} s"


def check_synchrony(seen: Observation, settings: Settings) -> list[Finding]:
    """Images lie in the odometry's time, and both are stamped by the same clock."""
    odometry, image = seen.topics.get(odometry_role(settings)), seen.topics.get("image")
    if not wants_images(settings) or odometry is None or image is None:
        return []
    if len(odometry.stamps_ns) < 2 or not image.stamps_ns:
        return []
    skew_s = _latency_s(image) - _latency_s(odometry)
    side = "before" if skew_s > 0 else "after"
    text = f"images are stamped {abs(skew_s):.2f} s {side} the odometry that came with them"
    buffer = settings.runtime.odometry_buffer
    if abs(skew_s) > buffer:
        return [failed("synchrony", text, "stamp both by one clock, at the exposure")]
    if abs(skew_s) > SKEW_S:
        return [warned("synchrony", text, "stamp both by one clock, at the exposure")]
    share = _matched(image, odometry, settings.runtime.max_odometry_gap)
    text = f"{share:.0%} of the images lie in the odometry's time"
    if share < MATCHED_SHARE:
        return [
            warned("synchrony", text, "record both for the whole drive; other images are dropped")
        ]
    return [passed("synchrony", f"{text}, stamps agree within {abs(skew_s):.2f} s")]


def _latency_s(topic: TopicSeen) -> float:
    """Median of arrival minus stamp."""
    return float(np.median(np.asarray(topic.arrivals_ns) - np.asarray(topic.stamps_ns))) * 1e-9


def _matched(image: TopicSeen, odometry: TopicSeen, gap_s: float) -> float:
    """Share of the images whose next odometry sample on either side is near."""
    stamps = np.unique(np.asarray(odometry.stamps_ns, dtype=np.int64))
    images = np.asarray(image.stamps_ns, dtype=np.int64)
    after = np.searchsorted(stamps, images)
    inside = (after > 0) & (after < len(stamps)) | np.isin(images, stamps)
    after = after.clip(1, len(stamps) - 1)
    near = (stamps[after] - stamps[after - 1]) * 1e-9 <= gap_s
    return float((inside & near).mean())


def check_motion(seen: Observation, settings: Settings) -> list[Finding]:
    """The vehicle moves, as fast as a vehicle can."""
    topic = seen.topics.get(odometry_role(settings))
    if topic is None or len(topic.stamps_ns) < 2:
        return []
    if settings.node.odometry_source not in ("pose", "tf"):
        return []  # velocities are not added up here
    text = f"{seen.travelled_m:.1f} m travelled, at most {seen.fastest_mps:.1f} m/s"
    if seen.fastest_mps > FASTEST_MPS:
        return [warned("motion", text, "the odometry jumps, or is not in metres and seconds")]
    if seen.travelled_m < MOVING_M:
        return [warned("motion", text, "drive: a vehicle that stands cannot be found on a map")]
    return [passed("motion", text)]
