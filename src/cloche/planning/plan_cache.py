"""Remember blueprints, so that a run which asks for what was asked before decides nothing again.

A blueprint depends on the request, on this program and on what it saw of the machine. The first two make its key; what it
saw is noted as witnesses, files and directories with their identity, size and times, and one that has changed makes the
memory void. What was remembered is only ever used through `planning.place`, as a fresh blueprint is.
"""

from __future__ import annotations

import marshal
import os
import sys

from cloche.cpython import keyed_hash
from cloche.fs.files import read_plain, replace_file
from cloche.model import VERSION
from cloche.model.distribution import EntryPoint, Image
from cloche.model.environment import Layout
from cloche.model.interpreter import Interpreter
from cloche.model.operations import Copy, InstallTree, Link, MakeDir, Run, Write
from cloche.model.plan import Blueprint, ChosenComponent
from cloche.model.request import Request
from cloche.model.value import TYPE_CHECKING, fields, replace, value
from cloche.plugins.guard import Giver, Listener, Source
from cloche.store.check import check_seal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from cloche.model.interpreter import Host


@value
class CachedPlan:
    """What an earlier run decided, and what it takes to make sure of it."""

    blueprint: Blueprint
    specs: tuple[str, ...]
    """Which Pythons were looked for; empty if it was the running one."""
    finders: tuple[tuple[str, str], ...]
    """Names of those to ask, each with where it stands (`"package.module:attribute"`); that is empty for an object."""
    listeners: tuple[Listener, ...]
    """The plugins that want to be told when an environment is made."""
    givers: tuple[Giver, ...] = ()
    """The plugins that have to be asked for their objects."""
    refused: Mapping[str, bool] = {}
    """The activators that are objects, by name, and whether they refused the interpreter."""


CLASSES = {
    cls.__name__: cls
    for cls in (
        Blueprint,
        ChosenComponent,
        Copy,
        EntryPoint,
        Giver,
        Image,
        Interpreter,
        InstallTree,
        Layout,
        Link,
        Listener,
        MakeDir,
        CachedPlan,
        Run,
        Source,
        Write,
    )
}

ENVIRONMENT = (
    "PATH",
    "HOME",
    "PYENV_",
    "UV_",
    "MISE_",
    "ASDF_",
    "CONDA_",
    "XDG_",
    "PIP_",
    "PYTHON",
    "HOMEBREW_",
    "TCL",
)
"""Beginnings of the variables that built-in finders and seeders look at."""

MOST = 256
"""Blueprints that are kept; the older half goes when there are more."""


@value
class PlanCache:
    """Blueprints of earlier runs in one private directory; without a directory there are none."""

    directory: str
    writable: bool
    context: tuple[str, ...] = ()
    """What else a blueprint depends on: which plugins are left out, where the store is."""

    def recall(self, request: Request, host: Host) -> CachedPlan | None:
        """Return what was decided for a request; None if nothing was, or if a witness has changed.

        Whether the same Python would still be found for `specs` is for the caller to see.
        """
        if not self.directory:
            return None
        key = self._key(request, host)
        try:
            kept = read_plain(self._path(key))
            if not is_whole(kept):
                return None
            known, seen, flat = marshal.loads(kept[8:])
            if known != key or any(signature(path) != was for path, was in seen):
                return None
            remembered: CachedPlan = unflatten(flat)
        except (OSError, ValueError, TypeError, EOFError, KeyError):
            return None
        return None if any(check_seal(image.root) for image in remembered.blueprint.images) else remembered

    def remember(self, request: Request, host: Host, decided: CachedPlan, witnesses: Iterable[str]) -> None:
        """Keep what was decided, if it holds nothing but plain values; failing to is no error."""
        if not self.directory or not self.writable:
            return
        if any(image.bytecode == "missing" for image in decided.blueprint.images):
            return  # whoever asks next is given better ones
        key = self._key(request, host)
        try:
            seen = [(path, signature(path)) for path in dict.fromkeys(witnesses)]
            data = marshal.dumps((key, seen, flatten(decided)))
            replace_file(self._path(key), keyed_hash(1, data) + data)
            forget_old(self.directory)
        except (OSError, ValueError):
            return

    def _path(self, key: str) -> str:
        return os.path.join(self.directory, keyed_hash(2, key.encode("utf-8", "surrogateescape")).hex())

    def _key(self, request: Request, host: Host) -> str:
        """Return everything that a blueprint depends on and that can be known without looking."""
        elsewhere = Request(destination="")  # what concerns the place alone
        names = ("destination", "prompt", "existing", "vcs_ignore", "link_mode", "placement", "extra_settings")
        asked = fields(replace(request, **{name: getattr(elsewhere, name) for name in names}))
        environ = sorted((name, text) for name, text in host.environ.items() if name.startswith(ENVIRONMENT))
        return repr((VERSION, sys.version, host.executable, host.cwd, sys.path, self.context, asked, environ))


def is_whole(kept: bytes) -> bool:
    """Whether a file of the memory is what was written."""
    return keyed_hash(1, kept[8:]) == kept[:8]


def signature(path: str) -> tuple[int, ...] | None:
    """Return what is different when a file or a directory's list of names is; None if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def flatten(item: Any) -> Any:
    """Return a value as what `marshal` can write: a list stands for a value, its class's name first.

    :raises ValueError: it holds something else than values and plain data.
    """
    if item is None or isinstance(item, (str, bytes, int, float)):
        return item
    if isinstance(item, tuple):
        return tuple(flatten(one) for one in item)
    if isinstance(item, dict):
        return {name: flatten(one) for name, one in item.items()}
    name = type(item).__name__
    if CLASSES.get(name) is not type(item):
        raise ValueError(f"a {name} cannot be remembered")
    return [name, *(flatten(one) for one in fields(item).values())]


def unflatten(item: Any) -> Any:
    """Return what `flatten` was given.

    :raises KeyError, TypeError: it is not what `flatten` returns.
    """
    if isinstance(item, list):
        return CLASSES[item[0]](*(unflatten(one) for one in item[1:]))
    if isinstance(item, tuple):
        return tuple(unflatten(one) for one in item)
    if isinstance(item, dict):
        return {name: unflatten(one) for name, one in item.items()}
    return item


def forget_old(directory: str) -> None:
    """Remove the older half of what is remembered if it has become too much."""
    entries = list(os.scandir(directory))
    if len(entries) > MOST:
        for entry in sorted(entries, key=lambda entry: entry.stat(follow_symlinks=False).st_mtime)[: len(entries) // 2]:
            os.unlink(entry.path)


def witnesses(request: Request, blueprint: Blueprint, host: Host, packages: Iterable[str]) -> Iterator[str]:
    """Yield the files and directories that decided on a blueprint, but for those that discovery looks at each time.

    `packages` are the top-level names of what plugins were loaded from; a plugin may be edited where it stands.
    """
    yield from sys.path
    ours = frozenset(("cloche", *packages))
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ours and getattr(module, "__file__", None):
            yield str(module.__file__)
    for executable in (host.executable, blueprint.interpreter.executable):
        yield executable
        yield os.path.realpath(executable)
        for directory in (os.path.dirname(executable), os.path.dirname(os.path.dirname(executable))):
            yield os.path.join(directory, "pyvenv.cfg")
    yield os.path.join(blueprint.interpreter.stdlib, "os.py")
    if blueprint.interpreter.library:
        yield blueprint.interpreter.library
    yield from request.wanted.find_links if request.wanted else ()
    if request.consult == "project" and not request.pythons:
        directory = host.cwd
        while directory:
            for name in (".python-version", ".python-versions", "pyproject.toml"):
                yield os.path.join(directory, name)
            directory = "" if os.path.dirname(directory) == directory else os.path.dirname(directory)
