"""Packed environments, and machines of a cluster: namespaces that have nothing of the base interpreter.

These tests are nightly, because they install the engines from the package index. They need root, and the programs `unshare`
and `ip`. Spark also needs Java 17 or later, and Slurm Debian's packages `slurm-wlm`, `munge`, `squashfuse` and `fuse3`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.portable.conftest import Base, find_base
from tests.tools import require, skip_missing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MINUTES = 60

CLUSTER = """
ip link set lo up
ip link add bridge type bridge
ip address add 10.9.8.1/24 dev bridge
ip link set bridge up
machine() { # NUMBER COMMAND...: run a command on another machine, whose address ends with this number
    number=$1; shift
    unshare --net sleep infinity &
    other=$!
    while [ "/proc/$other/ns/net" -ef /proc/self/ns/net ]; do sleep 0.1; done
    ip link add "port$number" master bridge type veth peer name eth0 netns "$other"
    ip link set "port$number" up
    nsenter --net="/proc/$other/ns/net" sh -c '
        ip link set lo up; ip address add "10.9.8.$1/24" dev eth0; ip link set eth0 up; shift; exec "$@"' sh "$number" "$@" &
}
"""
"""Shell functions for scripts that use several machines; the address of the first one is 10.9.8.1."""


@pytest.fixture(scope="session")
def base() -> Base:
    return find_base("3.12")


@pytest.fixture(scope="session")
def packed(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that creates an environment with some packages and packs it; only the archive remains."""

    def pack(*requirements: str, name: str = "env.tar.gz") -> Path:
        directory = tmp_path_factory.mktemp(requirements[0])
        cloche = [sys.executable, "-m", "cloche"]
        run(*cloche, "./original", "--creator", "portable", "-p", base.executable, cwd=directory)
        run("original/bin/python", "-m", "pip", "install", "--quiet", *requirements, cwd=directory)
        run(*cloche, "pack", "original", "-o", name, cwd=directory)
        (directory / "original").rename(directory / "moved away")
        return directory / name

    return pack


def run(*words: str, cwd: Path) -> None:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, timeout=10 * MINUTES)
    if done.returncode and "pip" in words:
        skip_missing(f"{words[-1]} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
    assert done.returncode == 0, done.stderr


def on_other_machines(base: Base, script: str, *words: object, cwd: Path, **variables: str) -> str:
    """Run a shell script with no network, without the base, and with processes that all end with it; return its output."""
    unshare = require("unshare")
    require("ip")
    if subprocess.run([unshare, "-mnp", "--fork", "true"], capture_output=True, check=False).returncode:
        skip_missing("namespaces are not permitted")
    hidden = [f"mount -t tmpfs none '{path}'" for path in base.hidden if os.path.isdir(path)]
    options = ("--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child")
    with (cwd / "log").open("w+") as log:
        done = subprocess.run(
            [unshare, *options, "sh", "-ec", "\n".join([*hidden, CLUSTER, script]), "sh", *map(str, words)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, check=False, cwd=cwd,
            timeout=10 * MINUTES, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(cwd), **variables},
        )  # fmt: skip
        log.seek(0)
        assert done.returncode == 0, log.read()[-5000:]
    return done.stdout
