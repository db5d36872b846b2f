"""Files that survive a power failure once they are said to be written."""

import errno
import os
from pathlib import Path

# Of file systems that know no such thing for a directory, as Postgres has it in `fsync_fname_ext`.
_NOT_FOR_DIRECTORIES = {errno.EBADF, errno.EINVAL}


def sync(path: Path) -> None:
    """Have a file's bytes, or a directory's entries, on the disk before going on.

    Raises:
        OSError: They are not there.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not (path.is_dir() and error.errno in _NOT_FOR_DIRECTORIES):
            raise
    finally:
        os.close(descriptor)
