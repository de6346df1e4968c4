"""Test that the executors of Spark run the packed Python, and import a compiled package from it."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.engines.conftest import on_other_machines, run
from tests.tools import require

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.portable.conftest import Base

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]

JOB = """
import json
from pyspark.sql import SparkSession

def where(_):
    import os, sys
    import numpy.linalg
    yield os.environ["SPARK_EXECUTOR_DIRS"], sys.prefix, numpy.__file__, float(numpy.linalg.det([[1, 2], [3, 4]]))

spark = SparkSession.builder.getOrCreate()
found = spark.sparkContext.parallelize(range(8), 8).mapPartitions(where).collect()
spark.stop()
print(json.dumps(found))
"""


def test_executors_run_the_packed_python(base: Base, packed: Callable[..., Path], tmp_path: Path) -> None:
    """The engine itself is not in the environment, as on clusters that have one."""
    java = require("java")
    archive = packed("numpy")
    (tmp_path / "job.py").write_text(JOB)
    run(sys.executable, "-m", "cloche", "./engine", cwd=tmp_path)
    run("engine/bin/python", "-m", "pip", "install", "--quiet", "pyspark", cwd=tmp_path)
    [engine] = tmp_path.glob("engine/lib/python3*/site-packages/pyspark")
    run(sys.executable, "-m", "cloche", "unpack", str(archive), "driver", cwd=tmp_path)

    printed = on_other_machines(
        base,
        'exec "$SPARK_HOME/bin/spark-submit" --master "local-cluster[2,1,1024]" --archives "$1#environment" job.py',
        archive, cwd=tmp_path, SPARK_HOME=str(engine), SPARK_LOCAL_IP="127.0.0.1",
        JAVA_HOME=os.path.dirname(os.path.dirname(os.path.realpath(java))),
        PYSPARK_DRIVER_PYTHON="driver/bin/python", PYSPARK_PYTHON="./environment/bin/python",
    )  # fmt: skip

    found = json.loads(printed.splitlines()[-1])
    prefixes = {prefix for _, prefix, _, _ in found}
    assert len(prefixes) == 2, prefixes  # each executor has its own copy
    assert all(str(tmp_path / "driver") not in prefix and "spark" in prefix for prefix in prefixes)
    assert all(file.startswith(prefix) and round(value) == -2 for _, prefix, file, value in found)
