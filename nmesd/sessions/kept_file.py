"""A file that only grows, onto the disk and not just towards it, with the checksum of all of it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


class KeptFile:
    """One file, new. Raises OSError from everything; after one the file ends where it ended before."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        """Of everything in it."""
        return self._hash.hexdigest()

    def append(self, data: bytes) -> None:
        """All of it or, where there is no room, none of it."""
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self._fd, left) :]
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        self.size += len(data)
        self._hash.update(data)

    def sync(self) -> None:
        """Onto the disk."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)


def sync_folder(folder: Path) -> None:
    """The names of new files onto the disk. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
