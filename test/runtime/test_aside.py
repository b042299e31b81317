"""Jobs are done beside the filter, and nobody waits for them."""

from __future__ import annotations

import threading

from mdps_ros.runtime.watching.aside import Aside

LONG_S = 30.0


class Hold:
    """A job that lasts until it is let go."""

    def __init__(self):
        self.began, self.go, self.done = threading.Event(), threading.Event(), 0

    def __call__(self):
        self.began.set()
        assert self.go.wait(LONG_S)
        self.done += 1


def start(**given):
    errors = []
    made = Aside("test", errors.append, **given)
    made.start()
    return made, errors


def test_a_job_that_comes_while_one_is_in_hand_is_sent_away():
    aside, errors = start()
    job = Hold()
    assert aside.free()
    assert aside.offer(job)
    assert job.began.wait(LONG_S)
    assert not aside.free()
    assert not aside.offer(job)
    job.go.set()
    aside.stop()
    assert (job.done, errors) == (1, [])


def test_there_is_a_thread_only_while_there_was_a_job_and_work_can_begin_again():
    def threads():
        return [thread for thread in threading.enumerate() if thread.name == "test"]

    aside, _ = start()
    assert threads() == []
    for _ in range(2):
        done = threading.Event()
        assert aside.offer(done.set)
        assert done.wait(LONG_S)
        assert len(threads()) == 1
        aside.stop()
        assert threads() == []
        aside.start()


def test_jobs_that_may_wait_are_done_in_order_and_one_too_many_is_sent_away():
    aside, _ = start(waiting_max=2)
    done, job = [], Hold()
    assert aside.offer(job)
    assert job.began.wait(LONG_S)
    taken = [aside.offer(lambda number=number: done.append(number)) for number in range(3)]
    assert taken == [True, True, False]
    job.go.set()
    aside.stop(finish=True)
    assert done == [0, 1]


def test_to_stop_forgets_what_waits_unless_it_is_to_be_finished():
    aside, _ = start(waiting_max=2)
    done, job = [], Hold()
    aside.offer(job)
    assert job.began.wait(LONG_S)
    aside.offer(lambda: done.append(1))
    stopper = threading.Thread(target=aside.stop)
    stopper.start()
    while aside.free():  # until the stop has begun
        pass
    job.go.set()
    stopper.join(LONG_S)
    assert (job.done, done) == (1, [])
    assert not aside.offer(job)


def test_the_second_job_waits_for_its_period():
    aside, _ = start(period_s=LONG_S)
    done = threading.Event()
    assert aside.offer(done.set)
    assert done.wait(LONG_S)
    assert not aside.offer(done.set)
    aside.stop()


def test_a_job_that_fails_is_told_and_is_the_last():
    aside, errors = start(waiting_max=1)
    told = threading.Event()
    aside._failed = lambda error: (errors.append(str(error)), told.set())

    def broken():
        raise RuntimeError("no canvas")

    assert aside.offer(broken)
    assert told.wait(LONG_S)
    assert errors == ["no canvas"]
    assert not aside.offer(told.set)
    aside.stop()
    aside.stop()
