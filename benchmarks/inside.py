"""Make environments in one process, and print how long each took and how much memory there was after it, as JSON.

    python inside.py DEST COUNT [--remove]

`cloche` has to be importable, and nothing else is imported, so that the memory is its own. The first environment warms
the caches and is not counted.
"""

from __future__ import annotations

import os
import sys
from time import perf_counter

import cloche


def resident() -> int:
    """Return the bytes of memory that this process has at the moment; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def main() -> None:
    destination, count, *options = sys.argv[1:]
    seconds, memory = [], []
    for number in range(int(count) + 1):
        place = destination if "--remove" in options else os.path.join(destination, str(number))
        started = perf_counter()
        cloche.create(place)
        seconds.append(round(perf_counter() - started, 6))
        memory.append(resident())
        if "--remove" in options:
            from shutil import rmtree

            rmtree(place)
    print(f'{{"seconds": {seconds[1:]}, "memory": {memory[1:]}}}')


if __name__ == "__main__":
    main()
