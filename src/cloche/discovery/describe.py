"""Describe the interpreter at a path, and the base of the Python that runs cloche."""

from __future__ import annotations

import os

from cloche.discovery import base_interpreter
from cloche.discovery.cache import (
    LOADER_VARIABLES,
    Answer,
    ProbeCache,
    files_of,
    files_read_at_start,
    identity_lines,
)
from cloche.fs.inputs import UNRECORDED
from cloche.model.value import TYPE_CHECKING, replace

if TYPE_CHECKING:
    from cloche.discovery.probe import Prober
    from cloche.fs.inputs import Inputs
    from cloche.model.interpreter import Host, Interpreter


def running(host: Host, cache: ProbeCache, prober: Prober | None = None, inputs: Inputs = UNRECORDED) -> Interpreter:
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
    answer = describe(path, host, cache, prober, inputs)
    if answer.interpreter is None:
        raise InterpreterNotFound(f"`{path}` {answer.reason}", hint="choose another one with `-p`")
    return answer.interpreter


def describe(
    path: str, host: Host, cache: ProbeCache, prober: Prober | None = None, inputs: Inputs = UNRECORDED
) -> Answer:
    """Return the interpreter at an absolute path, or why there is none; the path is never one in an environment.

    :param inputs: records what the answer depends on.
    """
    inputs.variables(host.environ, LOADER_VARIABLES)
    for one in files_read_at_start(path):
        inputs.path(one)
    answer = _cached_or_asked(path, host, cache, prober)
    for one in files_of(answer.interpreter):
        inputs.path(one)
    return answer


def _cached_or_asked(path: str, host: Host, cache: ProbeCache, prober: Prober | None) -> Answer:
    answer = cache.get(path)
    if answer is None:
        before = identity_lines(path)
        answer = _describe_in_process(path, host) or _describe_by_probe(path, host, prober)
        cache.put(path, answer, before)
    return answer


def _describe_in_process(path: str, host: Host) -> Answer | None:
    """Describe an executable from inside this process; None if it may not be the one that runs this process."""
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
    return Answer(base_interpreter.with_stable_executable(replace(interpreter, executable=path)))


def _describe_by_probe(path: str, host: Host, prober: Prober | None) -> Answer:
    if prober is None:
        from cloche.discovery import probe

        prober = probe.probe_executables
    answer = prober([path], host.environ)[0]
    if answer.interpreter is None:
        return answer
    return Answer(base_interpreter.with_stable_executable(replace(answer.interpreter, executable=path)))
