"""The plan cache: blueprints of earlier runs, so that a run which asks for the same again resolves nothing.

A blueprint depends on what was asked for and on what was read to resolve it. The first is the key of an entry. The second
was recorded by the code that read it (`cloche.fs.inputs`), is stored with the blueprint, and is compared before the
blueprint is used. Nothing here knows what a component reads: one that does not say so is asked on every run.
"""

from __future__ import annotations

import marshal
import os
import sys

from cloche.cpython import keyed_hash
from cloche.fs.files import read_regular_file, replace_file
from cloche.fs.inputs import are_unchanged
from cloche.model import VERSION
from cloche.model.distribution import EntryPoint, Image
from cloche.model.environment import Layout
from cloche.model.interpreter import Interpreter
from cloche.model.operations import Copy, InstallTree, Link, MakeDir, Run, Write
from cloche.model.plan import Blueprint, ChosenComponent
from cloche.model.request import EnvironmentSpec, Wanted
from cloche.model.value import TYPE_CHECKING, fields, replace, value
from cloche.store.check import check_own_files

if TYPE_CHECKING:
    from typing import Any

    from cloche.fs.inputs import Recorded
    from cloche.model.interpreter import Host


@value
class CachedPlan:
    """What an earlier run resolved, and what it takes to check that it still holds."""

    blueprint: Blueprint
    """An activator that is an object, and not named, has None in its place."""
    specs: tuple[str, ...]
    """The Pythons that were searched for; empty if it was the running one, which the recorded inputs cover."""
    finders: tuple[tuple[str, str], ...]
    """(name, `"package.module:attribute"`) of each finder, in order; the second is empty for an object."""
    offers: tuple[tuple[str, ...], ...] | None
    """What all plugins offered, if one of them offers objects; such plugins are asked again. Else None."""
    listens: bool
    """Whether a plugin wants to be told when an environment is in place."""


CLASSES = {
    cls.__name__: cls
    for cls in (
        Blueprint,
        CachedPlan,
        ChosenComponent,
        Copy,
        EntryPoint,
        EnvironmentSpec,
        Image,
        InstallTree,
        Interpreter,
        Layout,
        Link,
        MakeDir,
        Run,
        Wanted,
        Write,
    )
}

LIMIT = 256
"""Number of entries to keep; the older half is removed when there are more."""


@value
class PlanCache:
    """Blueprints of earlier runs in one private directory; without a directory there are none."""

    directory: str
    writable: bool
    context: tuple[str, ...] = ()
    """What else a blueprint depends on and is known without reading: the store, and which plugins are left out."""

    def find(self, spec: EnvironmentSpec, host: Host) -> CachedPlan | None:
        """Return what was resolved for a spec; None if nothing was, or if a recorded input has changed.

        Whether a search for `specs` still finds the same Python, and plugins still offer the same objects, is for the
        caller to check.
        """
        if not self.directory:
            return None
        key = self._key(spec, host)
        try:
            content = read_regular_file(self._path(key))
            if not is_intact(content):
                return None
            stored_key, recorded, flat = marshal.loads(content[8:])
            if stored_key != key or not are_unchanged(recorded, host.environ):
                return None
            cached: CachedPlan = unflatten(flat)
        except (OSError, ValueError, TypeError, EOFError, KeyError):
            return None
        return None if any(check_own_files(image.root) for image in cached.blueprint.images) else cached

    def store(self, spec: EnvironmentSpec, host: Host, cached: CachedPlan, recorded: Recorded) -> None:
        """Store what was resolved, if it consists of plain values. It is no error if it cannot be stored."""
        if not self.directory or not self.writable:
            return
        key = self._key(spec, host)
        try:
            entry: Any = (key, recorded, flatten(without_objects(cached)))
            data = marshal.dumps(entry)
            replace_file(self._path(key), keyed_hash(1, data) + data)
            remove_oldest(self.directory)
        except (OSError, ValueError):
            return

    def _path(self, key: str) -> str:
        return os.path.join(self.directory, keyed_hash(2, key.encode("utf-8", "surrogateescape")).hex())

    def _key(self, spec: EnvironmentSpec, host: Host) -> str:
        """Return everything that a blueprint depends on and that is known without reading anything."""
        return repr((VERSION, sys.version, host.executable, host.cwd, sys.path, self.context, fields(spec)))


def without_objects(cached: CachedPlan) -> CachedPlan:
    """Return a cached plan with None in place of activators that are objects: their plugins are asked for them again."""
    blueprint = cached.blueprint
    named = (one if isinstance(one.item, str) else replace(one, item=None) for one in blueprint.activators)
    return replace(cached, blueprint=replace(blueprint, activators=tuple(named)))


def is_intact(content: bytes) -> bool:
    """Return whether an entry has the content it was stored with."""
    return keyed_hash(1, content[8:]) == content[:8]


def flatten(item: Any) -> Any:
    """Return a value in a form that `marshal` can write: a list stands for a value, the name of its class first.

    :raises ValueError: it holds something other than values and plain data.
    """
    if item is None or isinstance(item, (str, bytes, int, float)):
        return item
    if isinstance(item, tuple):
        return tuple(flatten(one) for one in item)
    if isinstance(item, dict):
        return {name: flatten(one) for name, one in item.items()}
    name = type(item).__name__
    if CLASSES.get(name) is not type(item):
        raise ValueError(f"`{name}` cannot be stored in the plan cache")
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


def remove_oldest(directory: str) -> None:
    """Remove the older half of the entries if there are more than `LIMIT`."""
    entries = list(os.scandir(directory))
    if len(entries) > LIMIT:
        for entry in sorted(entries, key=lambda entry: entry.stat(follow_symlinks=False).st_mtime)[: len(entries) // 2]:
            os.unlink(entry.path)
