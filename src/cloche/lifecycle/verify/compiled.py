"""Compare bytecode files with what their sources compile to, in processes of the interpreter that they are for."""

from __future__ import annotations

import os
import subprocess

from cloche.apply.processes import run_program
from cloche.fs.threads import map_in_threads
from cloche.model.value import TYPE_CHECKING, Value
from cloche.programs import python_environ
from cloche.shells.template import resource
from cloche.store.compiling import TIMEOUT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloche.model.interpreter import Host, Interpreter


class Compiled(Value):
    """A bytecode file in an environment, and its source; both paths are relative to the root."""

    path: str
    source: str
    tag: str
    """The cache tag in its name: `cpython-312`."""
    level: int
    """The level of optimization."""


def compare_bytecode(
    compiled: Sequence[Compiled], root: str, site: str, interpreter: Interpreter, host: Host
) -> Iterator[tuple[Compiled, str]]:
    """Yield each bytecode file with a verdict of `_compare_bytecode.py`.

    :param site: the directory that the names of modules are relative to.
    """
    own = [item for item in compiled if item.tag == interpreter.cache_tag]
    yield from ((item, "other") for item in compiled if item.tag != interpreter.cache_tag)
    count = os.cpu_count() or 1
    slices = [own[number::count] for number in range(count)]
    for part in map_in_threads(lambda items: [*compare_slice(items, root, site, interpreter, host)], slices, count):
        yield from part


def compare_slice(
    items: Sequence[Compiled], root: str, site: str, interpreter: Interpreter, host: Host
) -> Iterator[tuple[Compiled, str]]:
    """Compare files in one process after the other: a damaged file can crash the interpreter that reads it."""
    command = [interpreter.executable, "-I", "-S", "-W", "ignore", "-c", resource(__name__, "_compare_bytecode.py")]
    left = [*items]
    while left:
        lines = [
            "\0".join((os.path.join(root, item.source), os.path.join(root, item.path), str(item.level), name))
            for item in left
            for name in [item.source.removeprefix(f"{site}/")]
        ]
        try:
            content = os.fsencode("\n".join(lines) + "\n")
            done = run_program(command, python_environ(host.environ), root, timeout=TIMEOUT_SECONDS, content=content)
            verdicts = done.stdout.decode("ascii", "replace").split("\n")[:-1]
        except (OSError, subprocess.TimeoutExpired):
            verdicts = []
        answered = verdicts[: len(left)]
        yield from zip(left, answered, strict=False)
        left = left[len(answered) :]
        if left:
            yield left.pop(0), "different"
