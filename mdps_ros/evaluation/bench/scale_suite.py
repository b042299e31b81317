"""Suites `node` and `scale`: whole frames, and how they grow with map, cloud, cameras and lag."""

from __future__ import annotations

from collections.abc import Iterator

from mdps_ros.evaluation.bench.frame import Drive, Load
from mdps_ros.evaluation.bench.grid_city import grid_city
from mdps_ros.evaluation.bench.timing import Case, Contender, Setup
from mdps_ros.maps import Map, load_map

AREAS = (1.0, 10.0, 100.0)  # km^2
COUNTS = (100, 1_000, 10_000, 100_000)
CAMERAS = (1, 2, 4, 6)
LAGS = (None, 3.0, 10.0, 30.0)  # s
LARGEST_AREA, LARGEST_COUNT = 400.0, 1_000_000  # last: they take as long as all the others
TINY = Load(particles=100, lag=0.5, stride=1)  # for tests


def node_cases(setup: Setup) -> Iterator[Case]:
    """A whole frame as the node does it, and its parts."""
    map_ = grid_city(1.0) if setup.small else load_map("helsinki")
    box = map_.bounds
    place = (0.0, 0.0) if setup.small else (box.min_x + box.width / 2, box.min_y + box.height / 2)
    load = TINY if setup.small else Load()
    whole = Drive(map_, load, setup.device, place)
    alone = Drive(map_, load._replace(lag=None), setup.device, place)
    whole.fill()
    count = load.stride

    def frames(drive: Drive) -> None:
        for _ in range(count):
            drive.frame()

    def images() -> None:
        for _ in range(count):
            alone.encode()

    contenders = (
        Contender("ours", lambda: frames(whole), f"with a smoother of {load.lag:g} s"),
        Contender("ours, no smoother", lambda: frames(alone)),
        Contender("ours, image encoder only", images),
    )
    name = f"whole frame, {load.particles} particles, without ROS; {count} frames at a time"
    yield Case(name, count, "frame", contenders)


def cases(setup: Setup) -> Iterator[Case]:
    """One quantity at a time; the others as in `Load`, on a map of 1 km^2."""
    town = grid_city(1.0)
    if setup.small:
        yield frames(setup, "area 1 km2", town, TINY)
        return
    base = Load()
    for area in AREAS:
        yield frames(setup, f"area {area:g} km2", grid_city(area), base)
    for count in COUNTS:
        yield frames(setup, f"particles {count}", town, base._replace(particles=count))
    for cameras in CAMERAS:
        yield frames(setup, f"cameras {cameras}", town, base._replace(cameras=cameras))
    for lag in LAGS:
        yield frames(setup, f"lag {lag or 0:g} s", town, base._replace(lag=lag))
    many = base._replace(particles=LARGEST_COUNT)
    yield frames(setup, f"particles {LARGEST_COUNT}", town, many)
    yield frames(setup, f"area {LARGEST_AREA:g} km2", grid_city(LARGEST_AREA), base)


def frames(setup: Setup, name: str, map_: Map, load: Load) -> Case:
    """As many frames as lie between two walks of the smoother, so that its share is in."""
    drive = Drive(map_, load, setup.device, (0.0, 0.0))
    drive.fill()

    def run() -> None:
        for _ in range(load.stride):
            drive.frame()

    rounds = 3 if load.particles >= 100_000 else None
    return Case(name, load.stride, "frame", (Contender("ours", run),), rounds)
