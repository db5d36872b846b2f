"""Processes that end with the one that has started them, however it ends."""

from collections.abc import Callable

import psutil


def alive(parent: int | None) -> Callable[[], bool]:
    """Whether a process is there; by more than its number, which another may get.

    Args:
        parent: Its number; None for one that is always there.
    """
    if parent is None:
        return lambda: True
    try:
        process = psutil.Process(parent)
    except psutil.NoSuchProcess:
        return lambda: False

    def lives() -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return lives
