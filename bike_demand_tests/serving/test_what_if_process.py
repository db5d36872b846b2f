"""A process that is asked: in turn, in time, and in the place of one that has ended."""

import os
import signal
import sys
import threading

import pytest

from bike_demand.serving.what_if_process import (
    WAITING,
    BusyError,
    GoneError,
    LateError,
    Worker,
)

ECHO = """
import json, os, sys, time
for line in sys.stdin:
    question = json.loads(line)
    if question.get("stall"):
        time.sleep(600)
    if question.get("die"):
        os._exit(1)
    print(json.dumps({"pid": os.getpid(), "asked": question}), flush=True)
"""


@pytest.fixture
def worker():
    found = Worker([sys.executable, "-c", ECHO])
    yield found
    found.close()


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_is_started_at_the_first_question_and_stays(worker):
    assert worker.pid is None
    first = worker.ask({"number": 1})
    second = worker.ask({"number": 2})
    assert (first["asked"], second["asked"]) == ({"number": 1}, {"number": 2})
    assert first["pid"] == second["pid"] == worker.pid


def test_one_that_was_killed_is_replaced_at_the_next_question(worker):
    first = worker.ask({})["pid"]
    os.kill(first, signal.SIGKILL)
    worker._process.wait()
    assert worker.ask({})["pid"] != first


def test_one_that_ends_instead_of_answering_is_told_and_replaced(worker):
    with pytest.raises(GoneError):
        worker.ask({"die": True})
    assert worker.ask({"number": 1})["asked"] == {"number": 1}


def test_one_that_takes_too_long_is_ended_and_its_answer_is_nobody_elses(worker):
    first = worker.ask({})["pid"]
    worker._seconds = 0.1
    with pytest.raises(LateError):
        worker.ask({"stall": True})
    assert not is_there(first)
    worker._seconds = 30
    assert worker.ask({"number": 2})["asked"] == {"number": 2}


def test_a_few_wait_for_their_turn_and_more_are_refused(worker):
    worker.ask({})
    answers = []

    def ask(number):
        answers.append(worker.ask({"number": number})["asked"]["number"])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(WAITING + 1)]
    with worker._turn:  # as if one were being answered
        for thread in threads[1:]:
            thread.start()
        while worker._places._value > 1:
            pass
        worker._places.acquire()
        with pytest.raises(BusyError):
            worker.ask({"number": "one too many"})
        worker._places.release()
    for thread in threads[1:]:
        thread.join()
    assert sorted(answers) == [*range(1, WAITING + 1)]


def test_who_has_waited_too_long_for_their_turn_is_refused(worker):
    worker._seconds = 0.05
    with worker._turn, pytest.raises(BusyError):
        worker.ask({})


def test_one_that_nobody_asks_for_a_while_is_ended_and_the_next_question_starts_another():
    worker = Worker([sys.executable, "-c", ECHO], idle_s=0.01)
    first = worker.ask({})["pid"]
    worker._idle.join()
    assert not is_there(first)
    assert worker.ask({})["pid"] != first
    worker.close()


def test_one_that_is_being_asked_is_not_idle(worker):
    pid = worker.ask({})["pid"]
    with worker._turn:
        worker._end_if_idle()
    assert worker.ask({})["pid"] == pid


def test_it_ends_with_the_server_and_no_other_is_started(worker):
    pid = worker.ask({})["pid"]
    worker.close()
    assert not is_there(pid)
    with pytest.raises(GoneError):
        worker.ask({})


def test_a_question_that_goes_on_does_not_hold_up_the_end(worker):
    pid = worker.ask({})["pid"]
    told = []

    def ask():
        with pytest.raises(GoneError):
            worker.ask({"stall": True})
        told.append("gone")

    thread = threading.Thread(target=ask)
    thread.start()
    while not worker._turn.locked():
        pass
    worker.close()
    thread.join()
    assert told == ["gone"]
    assert not is_there(pid)
