"""Threads take turns at the map's features, and a large search rests for an image."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch

from mdps_ros.models import depth
from mdps_ros.models.camera import model as colour
from mdps_ros.runtime.cameras import Cameras
from mdps_ros.runtime.turns import Turns
from test.runtime.test_cameras import colour_image, depth_image
from test.runtime.town import fast_settings

LONG_S = 60.0


def run(work: Any) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def until_queued(turns: Turns, count: int) -> None:
    """Wait until so many have the turn or wait for it."""
    pause = threading.Event()
    for _ in range(int(LONG_S / 0.005)):
        if len(turns._queue) >= count:
            return
        pause.wait(0.005)
    raise AssertionError(f"never {count} in the queue")


def test_turns_go_in_the_order_of_asking() -> None:
    turns, order = Turns(), list[int]()

    def work(number: int) -> None:
        with turns:
            order.append(number)

    with turns:
        threads = []
        for number in range(5):
            threads.append(run(lambda number=number: work(number)))
            until_queued(turns, number + 2)
        assert order == []
    for thread in threads:
        thread.join(LONG_S)
    assert order == [0, 1, 2, 3, 4]


def test_a_rest_lets_all_go_first_who_wait() -> None:
    turns, order = Turns(), list[str]()

    def work() -> None:
        with turns:
            order.append("other")

    with turns:
        assert not turns.rest()
        threads = [run(work), run(work)]
        until_queued(turns, 3)
        assert turns.rest()
        order.append("one")
        assert not turns.rest()
    for thread in threads:
        thread.join(LONG_S)
    assert order == ["other", "other", "one"]


def test_who_is_interrupted_while_waiting_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns()
    with turns:

        def interrupted(ready: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(turns._changed, "wait_for", interrupted)
            with pytest.raises(KeyboardInterrupt):
                turns.__enter__()
        assert not turns.rest()
    with turns:
        pass
    assert len(turns._queue) == 0


def test_who_is_interrupted_while_others_go_first_still_has_the_turn_to_give(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns, order, first = Turns(), list[str](), True
    waits = turns._changed.wait_for

    def wait(ready: Any) -> Any:
        nonlocal first
        if threading.current_thread() is threading.main_thread() and first:
            first = False
            raise KeyboardInterrupt
        return waits(ready)

    def work() -> None:
        with turns:
            order.append("other")

    with turns:
        others = [run(work), run(work)]
        until_queued(turns, 3)
        with monkeypatch.context() as patch:
            patch.setattr(turns._changed, "wait_for", wait)
            with pytest.raises(KeyboardInterrupt):
                turns.rest()
    for thread in others:
        thread.join(LONG_S)
    assert order == ["other", "other"]
    assert len(turns._queue) == 0


@pytest.mark.parametrize(
    ("module", "make", "on"),
    [(depth, depth_image, "depth__enabled"), (colour, colour_image, "camera__enabled")],
    ids=["depth", "camera"],
)
def test_an_image_amid_a_search_is_answered_before_the_search_ends(
    town: Any, monkeypatch: pytest.MonkeyPatch, module: Any, make: Any, on: str
) -> None:
    cameras = Cameras(town, fast_settings(**{on: True}), torch.device("cpu"))
    generator = torch.Generator().manual_seed(3)
    spread = torch.tensor([200.0, 60.0, 6.0])
    many, few = (torch.rand(1, n, 3, generator=generator) * spread - 100.0 for n in (5_000, 50))
    alone = Cameras(town, fast_settings(**{on: True}), torch.device("cpu")).bind(make())
    asked = cameras.bind(make())
    assert alone is not None
    assert asked is not None
    answers: list[tuple[str, torch.Tensor | None]] = []
    began, turns = threading.Event(), cameras._turns
    monkeypatch.setattr(module, "PIECE", 1)
    rest = turns.rest

    def begun() -> bool:
        if not began.is_set():
            began.set()
            until_queued(turns, 2)  # the image waits for its turn
        return rest()

    monkeypatch.setattr(turns, "rest", begun)
    searched = cameras.bind(make())  # by the rest that is watched
    assert searched is not None
    search = run(lambda: answers.append(("search", searched.log_likelihood(many))))
    assert began.wait(LONG_S)
    image = run(lambda: answers.append(("image", asked.log_likelihood(few))))
    search.join(LONG_S)
    image.join(LONG_S)
    assert [name for name, _ in answers] == ["image", "search"]
    for (_, found), poses in zip(answers, (few, many), strict=True):
        expected = alone.log_likelihood(poses)
        assert found is not None
        assert expected is not None
        assert torch.equal(found, expected)
