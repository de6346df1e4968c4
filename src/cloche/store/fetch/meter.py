"""The progress of downloads, as numbers and as text."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from cloche.errors import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Meter:
    """Measures the progress of the downloads; threads may share it."""

    def __init__(self, sizes: Sequence[int]) -> None:
        """Begin to measure.

        :param sizes: the sizes of the files in bytes; 0 if it is not known.
        """
        self._files = len(sizes)
        self._bytes = sum(sizes)
        self._all_known = all(sizes)
        self._finished = 0
        self._received = 0
        self._waiting = 0
        self._started = time.monotonic()
        self._lock = threading.Lock()

    def add_bytes(self, count: int) -> None:
        with self._lock:
            self._received += count

    def finish_file(self) -> None:
        with self._lock:
            self._finished += 1

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Count a file that another process downloads."""
        with self._lock:
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1

    def amounts(self) -> dict[str, float]:
        """Return the state as numbers; `total_bytes` and `seconds_left` only if all sizes are known."""
        amounts: dict[str, float] = {"files": self._finished, "total_files": self._files, "bytes": self._received}
        if self._all_known:
            amounts["total_bytes"] = self._bytes
            if self._received:
                seconds = (time.monotonic() - self._started) / self._received * (self._bytes - self._received)
                amounts["seconds_left"] = round(max(seconds, 0), 1)
        return amounts

    def text(self) -> str:
        """Return the state as text: `downloading 3 of 36 files, 12.3 of 80.1 MB, 4 s left`."""
        amounts = self.amounts()
        parts = [f"downloading {amounts['files']} of {counted(self._files, 'file')}"]
        if "seconds_left" in amounts:
            megabytes = f"{amounts['bytes'] / 1e6:.1f} of {amounts['total_bytes'] / 1e6:.1f} MB"
            parts.append(f"{megabytes}, {amounts['seconds_left']:.0f} s left")
        elif amounts["bytes"]:
            parts.append(f"{amounts['bytes'] / 1e6:.1f} MB")
        if self._waiting:
            parts.append(f"waiting for another process that downloads {self._waiting} of them")
        return ", ".join(parts)
