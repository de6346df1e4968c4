"""Test that a job of Slurm runs from a squashfs file on two nodes, with the scripts of the page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.engines.conftest import on_other_machines
from tests.pages import DOCS, blocks
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.portable.conftest import Base

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]

PAGE = DOCS / "how-to" / "run-on-slurm.md"

CONFIGURATION = """
ClusterName=test
SlurmctldHost=HOST(10.9.8.1)
AuthType=auth/munge
AuthInfo=socket=ROOT/munge.sock
SlurmUser=root
SlurmdUser=root
StateSaveLocation=ROOT/state
SlurmdSpoolDir=ROOT/spool/%n
SlurmctldPidFile=ROOT/slurmctld.pid
SlurmdPidFile=ROOT/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/linear
NodeName=n[1-2] NodeHostname=HOST NodeAddr=10.9.8.1 Port=[17001-17002] CPUs=1 RealMemory=100
PartitionName=all Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP
"""

SCRIPT = """
cp "$1" env.squashfs
mkdir state spool
head -c 1024 /dev/urandom > key
chmod 400 key
munged --key-file="$PWD/key" --socket="$PWD/munge.sock" --pid-file="$PWD/munge.pid" --log-file="$PWD/munge.log" \\
    --seed-file="$PWD/seed" --force
sed -i "s|ROOT|$PWD|; s|HOST|$(hostname -s)|" slurm.conf
export SLURM_CONF="$PWD/slurm.conf"
slurmctld -D >&2 &
slurmd -D -N n1 >&2 &
slurmd -D -N n2 >&2 &
until [ "$(sinfo -h -o %T)" = idle ]; do sleep 0.5; done
chmod +x with-env
sbatch --wait job.sh >&2
cat slurm-1.out
"""


def test_a_job_runs_on_two_nodes(base: Base, packed: Callable[..., Path], tmp_path: Path) -> None:
    for program in ("slurmctld", "slurmd", "munged", "mksquashfs", "squashfuse", "fusermount3"):
        require(program)
    archive = packed("numpy", name="env.squashfs")
    for block in blocks(PAGE):
        if block.caption:
            (tmp_path / block.caption).write_text(block.body)
    (tmp_path / "slurm.conf").write_text(CONFIGURATION)

    printed = on_other_machines(base, SCRIPT, archive, cwd=tmp_path, TMPDIR=str(tmp_path))

    found = [re.fullmatch(r"(\d) [\d.]+ (.+)", line) for line in sorted(printed.splitlines())]
    assert [match and match[1] for match in found] == ["0", "1"], printed
    places = {match[2] for match in found if match}
    assert len(places) == 2, "each task has its own mount"
    assert all(place.startswith(str(tmp_path)) for place in places)
    assert not list(tmp_path.glob("tmp.*")), "nothing stays mounted"
