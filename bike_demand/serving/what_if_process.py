"""A process that is asked one thing at a time: started at the first, replaced when it is no more.

It is ended when nobody has asked for a while.
What is asked, and what answers, is not known here.
"""

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, Any, Final

COMMAND: Final = (sys.executable, "-m", "bike_demand.serving.what_if_worker")
SECONDS: Final = 30.0
"""For an answer, the start of the process included; and to wait for one's turn."""

WAITING: Final = 4
"""Who wait for their turn, at most."""

IDLE_S: Final = 900.0
"""After which without a question it is ended, for what it holds in memory."""


class BusyError(Exception):
    """Too many wait already, or waited too long."""


class LateError(Exception):
    """There was no answer in time; the process was ended."""


class GoneError(Exception):
    """The process has ended instead of answering."""


class Worker:
    """Asks the process. May be used by several threads.

    Args:
        command: Starts it.
        seconds: For an answer, and to wait for one's turn.
        clock: They are measured by it [s].
        idle_s: After which it is ended.
    """

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
        idle_s: float = IDLE_S,
    ) -> None:
        self._command, self._seconds, self._clock = tuple(command), seconds, clock
        self._places = threading.BoundedSemaphore(1 + WAITING)
        self._turn, self._starting = threading.Lock(), threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._closed = False
        self._idle_s = idle_s
        self._idle = self._timer()

    @property
    def pid(self) -> int | None:
        """Of the process; None if there is none."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """What it answers.

        Args:
            question: As JSON has it.

        Raises:
            BusyError: It is not our turn, and will not be soon.
            LateError: There is no answer in time.
            GoneError: It ended.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError
        try:
            if not self._turn.acquire(timeout=self._seconds):
                raise BusyError
            self._idle.cancel()
            try:
                return self._answer(json.dumps(question).encode() + b"\n")
            finally:
                self._idle = self._timer()
                self._idle.start()
                self._turn.release()
        finally:
            self._places.release()

    def close(self) -> None:
        """End the process, whatever it is at; no other is started."""
        with self._starting:
            self._closed = True
        self._idle.cancel()
        if self._process is not None:
            _ended(self._process)

    def _timer(self) -> threading.Timer:
        timer = threading.Timer(self._idle_s, self._end_if_idle)
        timer.daemon = True
        return timer

    def _end_if_idle(self) -> None:
        if self._turn.acquire(blocking=False):  # else it is being asked again
            try:
                if self._process is not None:
                    _ended(self._process)
            finally:
                self._turn.release()

    def _answer(self, line: bytes) -> dict[str, Any]:
        end = self._clock() + self._seconds
        process = self._running()
        try:
            assert process.stdin is not None  # noqa: S101  # it is a pipe
            process.stdin.write(line)
            process.stdin.flush()
            told = self._answers.get(timeout=max(0.0, end - self._clock()))
        except queue.Empty:
            # What it is at would delay the next, and its answer be taken for theirs.
            _ended(process)
            raise LateError from None
        except (BrokenPipeError, ValueError):
            told = None
        if told is None:
            _ended(process)
            raise GoneError
        found: dict[str, Any] = json.loads(told)
        return found

    def _running(self) -> subprocess.Popen[bytes]:
        with self._starting:
            if self._closed:
                raise GoneError
            if self._process is None or self._process.poll() is not None:
                if self._process is not None:
                    _ended(self._process)
                self._answers = queue.SimpleQueue()
                # A session of its own: Ctrl-C is for the server, which ends it.
                self._process = subprocess.Popen(  # noqa: S603  # our own command
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    start_new_session=True,
                )
                reads = (self._process.stdout, self._answers)
                threading.Thread(target=_read, args=reads, daemon=True).start()
        return self._process


def _read(lines: IO[bytes], answers: "queue.SimpleQueue[bytes | None]") -> None:
    with lines:
        for line in lines:
            answers.put(line)
    answers.put(None)


def _ended(process: "subprocess.Popen[bytes]") -> None:
    """End a process, which has nothing to lose."""
    process.kill()
    process.wait()
    with suppress(OSError):  # what it has not read is lost with it
        assert process.stdin is not None  # noqa: S101  # it is a pipe
        process.stdin.close()
