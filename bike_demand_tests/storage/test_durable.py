"""What is said to be on the disk, and what is not."""

import errno
import os

import pytest

from bike_demand.storage.durable import sync


@pytest.fixture
def disk(monkeypatch):
    """A disk that answers with an error."""

    def answers(number):
        def fsync(descriptor):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fsync)

    return answers


def test_a_file_system_that_syncs_no_directories_is_good_enough(tmp_path, disk):
    disk(errno.EINVAL)
    sync(tmp_path)


def test_a_file_that_is_not_on_the_disk_is_told(tmp_path, disk):
    file = tmp_path / "file"
    file.write_text("x")
    disk(errno.EINVAL)
    with pytest.raises(OSError, match="Invalid argument"):
        sync(file)


def test_a_disk_that_is_broken_is_told_for_a_directory_too(tmp_path, disk):
    disk(errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        sync(tmp_path)
