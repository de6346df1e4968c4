"""Describe the interpreter at a path, and the base of the Python that runs cloche."""

from __future__ import annotations

import os

from cloche.discovery import base_interpreter
from cloche.discovery.cache import (
    LOADER_VARIABLES,
    ProbeCache,
    ProbeResult,
    executable_fingerprint,
    files_read_at_start,
    interpreter_files,
)
from cloche.fs.inputs import UNRECORDED
from cloche.model.value import TYPE_CHECKING, replace

if TYPE_CHECKING:
    from cloche.fs.inputs import Inputs
    from cloche.model.interpreter import Host, Interpreter


def running_base(host: Host, cache: ProbeCache, inputs: Inputs = UNRECORDED) -> Interpreter:
    """Return the base of the Python that runs cloche, without starting a process if possible.

    :raises InterpreterNotFound: the base does not exist, or cannot be described.
    """
    from cloche.errors import InterpreterNotFound

    if not host.executable:
        raise InterpreterNotFound("the running Python does not know its own path", hint="choose one with `-p`")
    try:
        path = base_interpreter.resolve_base(host.executable, inputs)
    except LookupError as error:
        raise InterpreterNotFound(f"`{host.executable}` {error}", hint="choose another one with `-p`") from None
    result = describe_interpreter(path, host, cache, inputs)
    if result.interpreter is None:
        raise InterpreterNotFound(f"`{path}` {result.reason}", hint="choose another one with `-p`")
    return result.interpreter


def describe_interpreter(path: str, host: Host, cache: ProbeCache, inputs: Inputs = UNRECORDED) -> ProbeResult:
    """Return the interpreter at an absolute path outside any environment, or the reason why there is none.

    :param inputs: records what the result depends on.
    """
    inputs.variables(host.environ, LOADER_VARIABLES)
    for file in files_read_at_start(path):
        inputs.path(file)
    result = _from_cache_or_probe(path, host, cache)
    for file in interpreter_files(result.interpreter):
        inputs.path(file)
    if result.interpreter is not None and (problem := base_interpreter.find_base_problem(result.interpreter)):
        return ProbeResult(reason=problem)
    return result


def _from_cache_or_probe(path: str, host: Host, cache: ProbeCache) -> ProbeResult:
    result = cache.get(path)
    if result is None:
        before = executable_fingerprint(path)
        result = _describe_in_process(path, host) or _describe_by_probe(path, host, cache)
        cache.put(path, result, before)
    return result


def _describe_in_process(path: str, host: Host) -> ProbeResult | None:
    """Describe the executable that runs this process; None if `path` may be another one."""
    import sys

    same = sys.executable == host.executable and not getattr(sys, "frozen", False)
    if not same or any(name.startswith(("PYTHONHOME", "PYTHONPLATLIBDIR", "_PYTHON")) for name in host.environ):
        return None  # these variables change what this process reports; a probe runs without them
    try:
        if not os.path.samefile(path, sys.executable):  # a copied environment, whose base may have been upgraded since
            return None
        from cloche.discovery import _probe, serialization

        interpreter = serialization.interpreter_from_dict(_probe.facts())
    except Exception:  # the probe can still describe it from outside
        return None
    return ProbeResult(base_interpreter.with_stable_executable(replace(interpreter, executable=path)))


def probe(paths: list[str], host: Host, cache: ProbeCache) -> list[ProbeResult]:
    """Probe the executables at some paths, whether or not they are cached; return a result for each, in the same order."""
    if cache.prober is not None:
        return cache.prober(paths, host.environ)
    from cloche.discovery.probe import probe_executables  # loads `subprocess`, which cached results do not need

    return probe_executables(paths, host.environ)


def _describe_by_probe(path: str, host: Host, cache: ProbeCache) -> ProbeResult:
    [result] = probe([path], host, cache)
    if result.interpreter is None:
        return result
    return ProbeResult(base_interpreter.with_stable_executable(replace(result.interpreter, executable=path)))
