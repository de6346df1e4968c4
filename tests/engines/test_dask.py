"""Test that Dask runs its scheduler and its workers from copies of a packed environment on three machines."""

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
import json
from distributed import Client

def where(number):
    import os, sys
    import numpy.linalg
    return sys.prefix, numpy.__file__, os.readlink("/proc/self/ns/net"), float(numpy.linalg.det([[1, 2], [3, number]]))

with Client("tcp://10.9.8.1:8786") as client:
    client.wait_for_workers(2, timeout=120)
    workers = sorted(client.scheduler_info(n_workers=-1)["workers"])
    futures = [client.submit(where, number, workers=[workers[number % 2]]) for number in range(4)]
    print(json.dumps(client.gather(futures)))
"""

SCRIPT = """
for copy in first second third; do mkdir $copy; tar -xzf "$1" -C $copy; done
first/bin/dask scheduler --host 10.9.8.1 --port 8786 --no-dashboard >&2 &
machine 2 second/bin/dask worker --no-dashboard --nthreads 1 tcp://10.9.8.1:8786 >&2
machine 3 third/bin/dask worker --no-dashboard --nthreads 1 tcp://10.9.8.1:8786 >&2
first/bin/python job.py
"""


def test_workers_run_on_two_other_machines(base: Base, packed: Callable[..., Path], tmp_path: Path) -> None:
    archive = packed("distributed", "numpy")
    (tmp_path / "job.py").write_text(JOB)

    found = json.loads(on_other_machines(base, SCRIPT, archive, cwd=tmp_path))

    assert {prefix for prefix, _, _, _ in found} == {str(tmp_path / "second"), str(tmp_path / "third")}
    assert all(file.startswith(prefix) for prefix, file, _, _ in found)
    assert len({namespace for _, _, namespace, _ in found}) == 2
    assert [round(value) for _, _, _, value in found] == [-6, -5, -4, -3]
