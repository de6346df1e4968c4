"""Compare `cloche verify` with `sha256sum` of the same files, and print medians and their ratio.

    python benchmarks/verify.py ENV              21 alternating rounds; the files are in the cache of the system

POSIX only; `cloche` must be on PATH.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median
from time import perf_counter

ROUNDS = 21


def seconds(*words: str) -> float:
    """Return how long a command takes.

    :raises subprocess.CalledProcessError: it fails.
    """
    started = perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - started


def main() -> None:
    [environment] = sys.argv[1:]
    commands = {
        "cloche verify": ("cloche", "verify", environment),
        "sha256sum": ("sh", "-c", 'find "$0" -type f -print0 | xargs -0 sha256sum', environment),
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(ROUNDS + 1):
        for name in (*commands,) if number % 2 else (*reversed(commands),):
            elapsed = seconds(*commands[name])
            if number:  # the first round fills the cache of the system
                times[name].append(elapsed)
    for name, measured in times.items():
        print(f"{name:14} {median(measured) * 1000:8.1f} ms")
    ratio = median(a / b for a, b in zip(*times.values(), strict=True))
    print(f"ratio          {ratio:8.2f}")


if __name__ == "__main__":
    main()
