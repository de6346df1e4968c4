"""Create environments in one process, and print the time of each and the memory after it, as JSON.

    python in_process.py DEST COUNT [--remove]

`cloche` must be importable. Nothing else is imported, so that the memory is that of cloche. One environment is created
first to warm the caches, and is not counted.
"""

from __future__ import annotations

import os
import sys
from time import perf_counter

import cloche


def resident_memory() -> int:
    """Return the resident memory of this process in bytes; 0 if the system does not report it."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def main() -> None:
    destination, count, *options = sys.argv[1:]
    seconds, memory = [], []
    for number in range(int(count) + 1):
        environment = destination if "--remove" in options else os.path.join(destination, str(number))
        started = perf_counter()
        cloche.create(environment)
        seconds.append(round(perf_counter() - started, 6))
        memory.append(resident_memory())
        if "--remove" in options:
            from shutil import rmtree

            rmtree(environment)
    print(f'{{"seconds": {seconds[1:]}, "memory": {memory[1:]}}}')


if __name__ == "__main__":
    main()
