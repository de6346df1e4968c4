"""What stands at a path, and which interpreter the running Python is based on."""

from __future__ import annotations

import os

from cloche.discovery import home
from cloche.discovery.cache import LOADER, Answer, ProbeCache, files_behind, files_read_at_start, witnesses
from cloche.fs.inputs import UNRECORDED
from cloche.model.value import TYPE_CHECKING, replace

if TYPE_CHECKING:
    from cloche.discovery.probe import Ask
    from cloche.fs.inputs import Inputs
    from cloche.model.interpreter import Host, Interpreter


def running(host: Host, cache: ProbeCache, ask: Ask | None = None, inputs: Inputs = UNRECORDED) -> Interpreter:
    """Return the base of the Python that runs cloche, without starting it if it can be known.

    :raises InterpreterNotFound: its base is gone, or gives no answer.
    """
    from cloche.errors import InterpreterNotFound

    if not host.executable:
        raise InterpreterNotFound("the running Python does not know its own path", hint="choose one with `-p`")
    try:
        path = home.base(host.executable, inputs)
    except LookupError as error:
        raise InterpreterNotFound(f"`{host.executable}` {error}", hint="choose another one with `-p`") from None
    answer = describe(path, host, cache, ask, inputs)
    if answer.interpreter is None:
        raise InterpreterNotFound(f"`{path}` {answer.reason}", hint="choose another one with `-p`")
    return answer.interpreter


def describe(path: str, host: Host, cache: ProbeCache, ask: Ask | None = None, inputs: Inputs = UNRECORDED) -> Answer:
    """Return what the executable at an absolute path is, or why it is no interpreter; never an environment's.

    :param inputs: records what the answer depends on.
    """
    inputs.variables(host.environ, LOADER)
    for one in files_read_at_start(path):
        inputs.path(one)
    answer = _answer(path, host, cache, ask)
    for one in files_behind(answer.interpreter):
        inputs.path(one)
    return answer


def _answer(path: str, host: Host, cache: ProbeCache, ask: Ask | None) -> Answer:
    answer = cache.get(path)
    if answer is None:
        before = witnesses(path)
        answer = _ourselves(path, host) or _asked(path, host, ask)
        cache.put(path, answer, before)
    return answer


def _ourselves(path: str, host: Host) -> Answer | None:
    """Describe an executable from inside this process, if it is the one that runs here; None if it may not be."""
    import sys

    same = sys.executable == host.executable and not getattr(sys, "frozen", False)
    if not same or any(name.startswith(("PYTHONHOME", "PYTHONPLATLIBDIR", "_PYTHON")) for name in host.environ):
        return None  # what it says of itself would not be what it says when it is left alone
    try:
        if not os.path.samefile(path, sys.executable):  # a copied environment: its base may have been upgraded since
            return None
        from cloche.discovery import _probe, record

        interpreter = record.load(_probe.facts())
    except Exception:  # whatever it is that cannot be known from inside
        return None
    return Answer(home.settled(replace(interpreter, executable=path)))


def _asked(path: str, host: Host, ask: Ask | None) -> Answer:
    if ask is None:
        from cloche.discovery import probe

        ask = probe.ask
    answer = ask([path], host.environ)[0]
    return Answer(home.settled(replace(answer.interpreter, executable=path))) if answer.interpreter else answer
