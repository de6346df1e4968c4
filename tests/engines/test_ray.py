"""Test that the tasks of Ray run in copies of a packed environment: on another machine, and by a `runtime_env`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.engines.conftest import on_other_machines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.portable.conftest import Base

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]

JOB = """
import json, shlex, sys, time
import ray

ray.init(address="10.9.8.1:6379", log_to_driver=False)
deadline = time.monotonic() + 120
while len([node for node in ray.nodes() if node["Alive"]]) < 2 and time.monotonic() < deadline:
    time.sleep(0.5)

@ray.remote(num_cpus=0)
def where():
    import os, sys
    import numpy.linalg
    return sys.prefix, numpy.__file__, os.readlink("/proc/self/ns/net"), float(numpy.linalg.det([[1, 2], [3, 4]]))

there = where.options(resources={"other": 1})
chosen = where.options(resources={"first": 1}, runtime_env={"py_executable": shlex.quote(sys.argv[1])})
print(json.dumps(ray.get([there.remote(), chosen.remote()])))
"""

SCRIPT = """
mount -t tmpfs none /mnt # Ray remembers its cluster in a directory, and names of sockets must be short
export RAY_TMPDIR=/mnt RAY_USAGE_STATS_ENABLED=0
for copy in first second "the third"; do mkdir "$copy"; tar -xzf "$1" -C "$copy"; done
first/bin/ray start --head --node-ip-address 10.9.8.1 --port 6379 --resources '{"first": 1}' --include-dashboard false >&2
machine 2 second/bin/ray start --block --address 10.9.8.1:6379 --resources '{"other": 1}' >&2
first/bin/python job.py "$PWD/the third/bin/python"
"""


def test_tasks_run_in_unpacked_copies(base: Base, packed: Callable[..., Path], tmp_path: Path) -> None:
    archive = packed("ray", "numpy")
    (tmp_path / "job.py").write_text(JOB)

    there, chosen = json.loads(on_other_machines(base, SCRIPT, archive, cwd=tmp_path).splitlines()[-1])

    assert there[:2] == [str(tmp_path / "second"), there[1]]
    assert chosen[:2] == [str(tmp_path / "the third"), chosen[1]]
    assert all(file.startswith(prefix) and round(value) == -2 for prefix, file, _, value in (there, chosen))
    assert there[2] != chosen[2]  # the network namespace of the machine
