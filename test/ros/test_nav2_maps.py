"""Another map by nav2's service: what a URL names, what is answered, and where it is offered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ament_index_python.packages import get_package_share_directory
from nav_msgs.msg import OccupancyGrid
from PIL import Image

from mdps_ros.ros import nav2_maps, services
from mdps_ros.ros.map_changes import BUSY, KEPT, NO_NAME, NOT_CONFIGURED, MapChanges, load_new_map
from mdps_ros.settings import Settings
from test.ros.test_node import ACTIVE, NAME

FIELDS = {"map_url": "string"}, {"map": "nav_msgs/OccupancyGrid", "result": "uint8"}
RESULTS = {
    "RESULT_SUCCESS": nav2_maps.SUCCESS,
    "RESULT_MAP_DOES_NOT_EXIST": nav2_maps.DOES_NOT_EXIST,
    "RESULT_INVALID_MAP_DATA": nav2_maps.INVALID_DATA,
    "RESULT_INVALID_MAP_METADATA": nav2_maps.INVALID_METADATA,
    "RESULT_UNDEFINED_FAILURE": nav2_maps.UNDEFINED_FAILURE,
}


class FakeLoadMap:
    """As nav2_msgs has it: no other field can be read or written."""

    class Request:
        __slots__ = tuple(FIELDS[0])

        def __init__(self, map_url: Any) -> None:
            self.map_url = str(map_url)

    class Response:
        __slots__ = tuple(FIELDS[1])

        def __init__(self) -> None:
            self.map, self.result = OccupancyGrid(), 0


class FakePipeline:
    """Loads real maps and changes to them at once."""

    map_id = "a map"
    settings = Settings()

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()

    def load_map(self, source: str) -> Any:
        assert self.go.wait(60.0)
        session: Any = SimpleNamespace(make_ready=lambda city: SimpleNamespace(map=city))
        return load_new_map(session, source, self.settings.node.map_resolution)

    def change_map(self, new: Any, done: Callable[[str], None]) -> None:
        self.map_id = new.city.id
        done("it went on")


class FakeNode:
    """Keeps what is made of it, what it logs and which parameters are set."""

    executor = None

    def __init__(self) -> None:
        self.offered: dict[str, tuple[Any, Any]] = {}
        self.lines: list[str] = []
        self.parameters: dict[str, str] = {}

    def create_service(self, kind: Any, name: str, callback: Any, callback_group: Any) -> None:
        self.offered[name] = (kind, callback)

    def get_logger(self) -> Any:
        return SimpleNamespace(info=self.lines.append, error=self.lines.append)

    def set_parameters(self, parameters: list[Any]) -> None:
        self.parameters |= {p.name: p.value for p in parameters}


def finished(answer: Coroutine[Any, Any, Any]) -> Any:
    """What a callback returns that an executor would run."""
    end = time.monotonic() + 60.0
    while time.monotonic() < end:
        try:
            answer.send(None)
        except StopIteration as stop:
            return stop.value
        time.sleep(0.01)
    raise AssertionError("no answer")


class Desk:
    """The services of a node, with nav2_msgs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pipeline: FakePipeline | None) -> None:
        monkeypatch.setattr(nav2_maps, "nav2_load_map_type", lambda: FakeLoadMap)
        self.node, self.pipeline = FakeNode(), pipeline
        node: Any = self.node
        found: Any = pipeline
        self.changes = MapChanges(node, lambda: found)

    def begin(self, map_url: Any) -> Coroutine[Any, Any, Any]:
        kind, callback = self.node.offered["~/nav2_load_map"]
        made: Coroutine[Any, Any, Any] = callback(kind.Request(map_url), kind.Response())
        return made

    def ask(self, map_url: Any) -> Any:
        return finished(self.begin(map_url))


@pytest.fixture
def floor(tmp_path: Path) -> Path:
    """A nav2 map of 40 x 30 cells of 10 cm."""
    Image.new("L", (40, 30), 254).save(tmp_path / "floor.png")
    path = tmp_path / "floor.yaml"
    path.write_text(
        "image: floor.png\nresolution: 0.1\norigin: [1.0, 2.0, 0.0]\nnegate: 0\n"
        "occupied_thresh: 0.65\nfree_thresh: 0.25\n"
    )
    return path


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch, FakePipeline())


def test_the_installed_type_is_the_one_that_is_written_down_here() -> None:
    kind = pytest.importorskip("nav2_msgs.srv", reason="nav2_msgs is not installed").LoadMap
    request, response = (k.get_fields_and_field_types() for k in (kind.Request, kind.Response))
    assert request == FIELDS[0]
    assert FIELDS[1].items() <= response.items()  # some distributions add a grid map
    assert {name: getattr(kind.Response, name) for name in RESULTS} == RESULTS


def test_without_nav2_its_service_is_not_offered_and_that_is_said_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nav2_maps, "nav2_load_map_type", lambda: None)
    node: Any = FakeNode()
    MapChanges(node, lambda: None)
    assert list(node.offered) == [services.LOAD_MAP.name]
    assert node.lines == [nav2_maps.NO_NAV2]


def test_the_service_has_the_name_and_type_of_the_table(desk: Desk) -> None:
    assert services.NAV2_LOAD_MAP.type_name == "nav2_msgs/srv/LoadMap"
    assert desk.node.offered[services.NAV2_LOAD_MAP.name][0] is FakeLoadMap
    assert desk.node.lines == []


def test_a_map_is_changed_and_answered_with_its_grid(desk: Desk, floor: Path) -> None:
    for url in (floor, f"file://{floor}"):
        answer = desk.ask(url)
        assert answer.result == RESULTS["RESULT_SUCCESS"]
        assert answer.map.header.frame_id == "map"
        info = answer.map.info
        size = (info.width * info.resolution, info.height * info.resolution)
        assert size == pytest.approx((4.0, 3.0), abs=info.resolution)
        assert (info.origin.position.x, info.origin.position.y) == pytest.approx((1.0, 2.0))
        assert set(answer.map.data) == {0}
        assert desk.node.parameters == {"node.map": str(floor)}
    assert desk.pipeline is not None
    assert desk.pipeline.map_id != FakePipeline.map_id


def test_each_failure_has_its_result_and_its_line_in_the_log(
    desk: Desk, floor: Path, tmp_path: Path
) -> None:
    (tmp_path / "headless.yaml").write_text("image: floor.png\n")
    (tmp_path / "blind.yaml").write_text(floor.read_text().replace("floor.png", "nowhere.png"))
    (tmp_path / "empty.osm").write_text('<osm version="0.6"></osm>')
    for url, name, words in (
        (tmp_path / "nowhere.yaml", "MAP_DOES_NOT_EXIST", "no such map file"),
        (f"file://{tmp_path}/nowhere.osm", "MAP_DOES_NOT_EXIST", "no such map file"),
        ("package://no_such_package/a.yaml", "MAP_DOES_NOT_EXIST", "no package no_such_package"),
        ("http://here/a.yaml", "MAP_DOES_NOT_EXIST", "give a path"),
        (tmp_path / "headless.yaml", "INVALID_MAP_METADATA", "lacks resolution"),
        (tmp_path / "blind.yaml", "INVALID_MAP_DATA", "nowhere.png is missing"),
        (tmp_path / "empty.osm", "INVALID_MAP_DATA", "no tagged way"),
    ):
        answer = desk.ask(url)
        assert answer.result == RESULTS[f"RESULT_{name}"], url
        assert words in desk.node.lines[-1]
        assert desk.node.lines[-1].endswith(KEPT)
        assert answer.map == OccupancyGrid()
    assert desk.ask("").result == RESULTS["RESULT_UNDEFINED_FAILURE"]
    assert desk.node.lines[-1] == NO_NAME
    assert desk.node.parameters == {}


def test_a_defect_of_ours_is_an_undefined_failure(
    desk: Desk, floor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: FakePipeline, source: str) -> Any:
        raise OSError("the disk is gone")

    monkeypatch.setattr(FakePipeline, "load_map", fail)
    assert desk.ask(floor).result == RESULTS["RESULT_UNDEFINED_FAILURE"]
    assert "the disk is gone" in desk.node.lines[-1]


def test_both_services_take_turns(desk: Desk, floor: Path) -> None:
    assert desk.pipeline is not None
    desk.pipeline.go.clear()  # a small map may be loaded before anybody looks
    first = desk.begin(floor)
    first.send(None)
    assert desk.ask(floor).result == RESULTS["RESULT_UNDEFINED_FAILURE"]
    assert desk.node.lines[-1] == BUSY
    own = SimpleNamespace(success=None, message="", map_id="")
    _, load_map = desk.node.offered["~/load_map"]
    assert finished(load_map(SimpleNamespace(map=str(floor)), own)).message == BUSY
    desk.pipeline.go.set()
    assert finished(first).result == RESULTS["RESULT_SUCCESS"]
    assert finished(load_map(SimpleNamespace(map=str(floor)), own)).success


def test_a_node_that_is_not_configured_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, floor: Path
) -> None:
    desk = Desk(monkeypatch, None)
    assert desk.ask(floor).result == RESULTS["RESULT_UNDEFINED_FAILURE"]
    assert desk.node.lines == [NOT_CONFIGURED]


@pytest.mark.parametrize(
    ("map_url", "path"),
    [
        ("/maps/a.yaml", "/maps/a.yaml"),
        ("maps/a b.yaml", "maps/a b.yaml"),
        ("50%20.yaml", "50%20.yaml"),
        ("helsinki", "helsinki"),
        ("file:///maps/a%20b.yaml", "/maps/a b.yaml"),
        ("file://localhost/maps/a.yaml", "/maps/a.yaml"),
        ("~/a.yaml", str(Path.home() / "a.yaml")),
        ("package://mdps_ros/maps/a.yaml", "SHARE/maps/a.yaml"),
    ],
)
def test_a_url_names_a_file(map_url: str, path: str) -> None:
    path = path.replace("SHARE", get_package_share_directory("mdps_ros"))
    assert nav2_maps.named_by(map_url) == path


@pytest.mark.parametrize(
    "map_url", ["http://here/a.yaml", "file://elsewhere/a.yaml", "package:///a.yaml"]
)
def test_a_url_that_names_none_is_refused(map_url: str) -> None:
    with pytest.raises(nav2_maps.UrlError, match=r"give a path"):
        nav2_maps.named_by(map_url)


def test_over_dds_with_nav2s_own_type(start_node: Any, partner: Any, town: Path) -> None:
    kind = pytest.importorskip("nav2_msgs.srv", reason="nav2_msgs is not installed").LoadMap
    node = start_node(depth__enabled="false", camera__enabled="false")
    node.wait_for(ACTIVE)
    service = f"{NAME}/nav2_load_map"
    answer = partner.call(kind, service, kind.Request(map_url=f"file://{town}"))
    assert answer.result == kind.Response.RESULT_SUCCESS, node.text
    assert answer.map.info.width > 100
    answer = partner.call(kind, service, kind.Request(map_url="nowhere.yaml"))
    assert answer.result == kind.Response.RESULT_MAP_DOES_NOT_EXIST
    assert node.end() == 0, node.text
