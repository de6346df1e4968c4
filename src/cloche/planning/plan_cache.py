"""The plan cache: blueprints of earlier runs, so that a run with the same request resolves nothing.

A blueprint depends on the request and on the inputs that were read to resolve it. The request is the key of an entry. The
code that reads an input records it (`cloche.fs.inputs`); the inputs are stored with the blueprint and compared before it
is used. A component that does not declare its inputs is asked on every run.

If the files of a project decide which Python is used, the key contains the current directory. A second entry, without
that directory, has the request that these files make: projects in other directories use it if they make the same request.
"""

from __future__ import annotations

import marshal
import os
import sys

from cloche.cpython import keyed_hash
from cloche.fs import read_regular_file, replace_file
from cloche.fs.signatures import are_unchanged
from cloche.model import VERSION
from cloche.model.environment import Layout
from cloche.model.interpreter import Interpreter
from cloche.model.operations import Copy, InstallTree, Link, MakeDir, Run, Write
from cloche.model.plan import Blueprint, ChosenComponent, EnvironmentSpec, LockRequest, Wanted
from cloche.model.value import TYPE_CHECKING, Value, fields, replace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from cloche.fs.signatures import Recorded
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Host


class CachedPlan(Value):
    """The blueprint of an earlier run, and the values for checking that it is still valid."""

    blueprint: Blueprint
    """An activator that is an object, instead of a reference to one, is stored as None."""
    specs: tuple[str, ...]
    """The Python requests that were searched for; empty for the running Python, which the recorded inputs cover."""
    finders: tuple[tuple[str, str, str], ...]
    """(name, `"package.module:attribute"`, plugin) of each finder, in order; the second is empty for an object."""
    offers: tuple[tuple[str, ...], ...] | None
    """`Registry.offers`, to compare on the next run, if a plugin offers objects; otherwise None."""
    has_created_hooks: bool
    """Whether a plugin implements the hook `cloche_created`."""


CLASSES: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        Blueprint,
        CachedPlan,
        ChosenComponent,
        Copy,
        EnvironmentSpec,
        InstallTree,
        Interpreter,
        Layout,
        Link,
        LockRequest,
        MakeDir,
        Run,
        Wanted,
        Write,
    )
}
"""The classes of the values in an entry. Those of `cloche.model.distribution` are loaded for an entry that has images."""


def class_named(name: str) -> type:
    """Return the class of a value in an entry.

    :raises KeyError: an entry has no values of such a class.
    """
    if name not in CLASSES:
        from cloche.model.distribution import EntryPoint, Image, StartupCode

        CLASSES.update((cls.__name__, cls) for cls in (EntryPoint, Image, StartupCode))
    return CLASSES[name]


LIMIT = 256
"""The maximum number of entries; when there are more, the older half is removed."""


class PlanCache(Value):
    """The blueprints of earlier runs, in one private directory."""

    directory: str
    """Empty if there is no cache."""
    writable: bool
    context: tuple[str, ...] = ()
    """Other values that a blueprint depends on: the path of the store, and the plugins that are left out."""

    def find(self, spec: EnvironmentSpec, host: Host) -> tuple[CachedPlan, Recorded] | None:
        """Return the entry for a spec, and its inputs; None if there is none, or if a recorded input has changed.

        The caller must check that a search for `specs` still finds the same Python, that plugins still offer the same
        objects, and that the store still has the images (`are_intact`).
        """
        if not self.directory:
            return None
        key = self._key(spec, host)
        try:
            content = read_regular_file(self._path(key))
            if not is_intact_entry(content):
                return None
            stored_key, recorded, flat = marshal.loads(content[8:])
            if stored_key != key or not are_unchanged(recorded, host.environ, host.cwd):
                return None
            cached: CachedPlan = unflatten(flat)
        except (OSError, ValueError, TypeError, EOFError, KeyError):
            return None
        return cached, recorded

    def store(self, spec: EnvironmentSpec, host: Host, cached: CachedPlan, recorded: Recorded) -> None:
        """Store an entry if it consists of plain values. A failure to write it is ignored."""
        if not self.directory or not self.writable:
            return
        key = self._key(spec, host)
        try:
            entry: Any = (key, recorded, flatten(without_objects(cached)))
            data = marshal.dumps(entry)
            replace_file(self._path(key), keyed_hash(1, data) + data)
            remove_oldest(self.directory)
        except (KeyError, OSError, ValueError):
            return

    def _path(self, key: str) -> str:
        return os.path.join(self.directory, keyed_hash(2, key.encode("utf-8", "surrogateescape")).hex())

    def _key(self, spec: EnvironmentSpec, host: Host) -> str:
        """Return the key of an entry: everything that a blueprint depends on, except the recorded inputs."""
        import_path: list[object] = [*sys.path]
        has_absolute_path = all(isinstance(entry, str) and os.path.isabs(entry) for entry in import_path)
        place = "" if has_absolute_path and not consults_project(spec) else host.cwd
        return repr((VERSION, sys.version, host.executable, place, sys.path, self.context, fields(spec)))


def consults_project(spec: EnvironmentSpec) -> bool:
    """Return whether the files of a project decide which Python is used."""
    return not spec.pythons and spec.consult == "project"


def without_objects(cached: CachedPlan) -> CachedPlan:
    """Return a cached plan with None for each activator that is an object; the next run asks its plugin for it."""
    blueprint = cached.blueprint
    activators = (
        activator if isinstance(activator.item, str) else replace(activator, item=None)
        for activator in blueprint.activators
    )
    return replace(cached, blueprint=replace(blueprint, activators=tuple(activators)))


def are_intact(images: Sequence[Image]) -> bool:
    """Return whether the store still has these images; applying the plan checks their trees."""
    if not images:
        return True
    from cloche.store.check import check_own_files

    return not any(check_own_files(image.root) for image in images)


def is_intact_entry(content: bytes) -> bool:
    """Return whether the checksum of an entry matches its content."""
    return keyed_hash(1, content[8:]) == content[:8]


def flatten(item: Any) -> Any:
    """Return a value as plain data that `marshal` can write: a list with the name of its class and its fields.

    :raises KeyError, ValueError: it contains something other than values and plain data.
    """
    if item is None or isinstance(item, (str, bytes, int, float)):
        return item
    if isinstance(item, tuple):
        return tuple(flatten(element) for element in item)
    if isinstance(item, dict):
        return {key: flatten(element) for key, element in item.items()}
    name = type(item).__name__
    if class_named(name) is not type(item):
        raise ValueError(f"`{name}` cannot be stored in the plan cache")
    return [name, *(flatten(field) for field in fields(item).values())]


def unflatten(item: Any) -> Any:
    """Return the value that `flatten` turned into this plain data.

    :raises KeyError, TypeError: the data does not describe a value.
    """
    kind = type(item)
    if kind is list:
        return class_named(item[0])(*[unflatten(field) for field in item[1:]])
    if kind is tuple:
        return tuple([unflatten(element) for element in item])
    if kind is dict:
        return {key: unflatten(element) for key, element in item.items()}
    return item


def remove_oldest(directory: str) -> None:
    """Remove the older half of the entries if there are more than `LIMIT`."""
    entries = list(os.scandir(directory))
    if len(entries) > LIMIT:
        for entry in sorted(entries, key=lambda entry: entry.stat(follow_symlinks=False).st_mtime)[: len(entries) // 2]:
            os.unlink(entry.path)
