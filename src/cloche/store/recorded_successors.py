"""Successors: the images that an upgrade to another Python installs, found by what was installed before.

If the new Python can use a distribution as it is, its successor is an image of the installed files. Otherwise it is the
image of the wheel that pip provided for the new Python. The store records both, so that only the first upgrade of a
distribution unpacks it, or asks pip.

The key is a hash of every hash in the RECORD: environments with the same files have the same successor. An image of installed
files is bound to these hashes, and contains neither an edited file nor bytecode. Images are named for what they contain,
and an image of installed files never has the name of an image of a wheel. So a lock file never selects one.

The store also records from which images modules were imported and pip ran, because importing packages takes longer than
everything else that an upgrade does to verify its result.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from cloche.fs import read_regular_file, replace_file
from cloche.model.value import replace
from cloche.store.distributions import read_installed
from cloche.store.images import complete_bytecode, find_or_build_image
from cloche.store.images.lookup import find_named_image, image_name
from cloche.store.images.sources import DistributionSource
from cloche.store.tags import supported_tags

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloche.model.aliases import Compile
    from cloche.model.distribution import Image
    from cloche.model.interpreter import Interpreter
    from cloche.store import Store
    from cloche.store.images.lookup import Checked

FORMAT = 1
"""Increased when successors that an earlier version recorded must not be used."""


def successor_key(name: str, version: str, rows: Iterable[tuple[str, str]], interpreter: Interpreter) -> str:
    """Return the key of the successor of a distribution for an interpreter.

    :param rows: path and hash, as in its RECORD, of each file that does not depend on the environment.
    """
    files = sorted(f"{path},{digest}" for path, digest in rows)
    own_tag = next(iter(supported_tags(interpreter)), "")  # names the machine and the oldest C library too
    content = "\n".join([f"{FORMAT} {own_tag} {interpreter.magic}", name, version, *files])
    return hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()


def find_successor(
    key: str,
    interpreter: Interpreter,
    store: Store,
    checked: Checked,
    policy: Compile,
) -> Image | None:
    """Return the intact image that is recorded as a successor; None if there is none.

    :param checked: which of its files are checked.
    :param policy: when it is compiled to bytecode.
    """
    for directory in store.readable_directories("successors"):
        try:
            name = read_regular_file(os.path.join(directory, key)).decode("utf-8").rstrip("\n")
        except (OSError, ValueError):
            continue
        if name and "/" not in name and (image := find_named_image(name, interpreter, store, checked)):
            return complete_bytecode(image, interpreter, store, policy)
    return None


def record_successor(key: str, image: Image, store: Store) -> None:
    """Record an image as a successor; a failure only costs time later."""
    try:
        replace_file(
            os.path.join(store.writable_directory("successors"), key), f"{os.path.basename(image.root)}\n".encode()
        )
    except OSError:
        pass


def image_of_installed(
    roots: tuple[str, ...], site: str, dist_info: str, interpreter: Interpreter, store: Store, policy: Compile
) -> Image:
    """Return the image of a distribution in an environment: that of its wheel if the store has it, else one of its files.

    :param roots: where the environment is, and where it was.
    :param site: the absolute path of the `site-packages` directory.
    :param policy: when it is compiled to bytecode.
    :raises SeedError: a file differs from its hash in RECORD, or the distribution cannot be read from what is installed.
    """
    installed = read_installed(site, dist_info, roots)
    name = image_name(DistributionSource(replace(installed, kind="wheel")))
    if found := find_named_image(name, interpreter, store):
        return complete_bytecode(found, interpreter, store, policy)
    return find_or_build_image(installed, interpreter, store, policy=policy)


def import_key(
    images: Iterable[Image],
    others: Iterable[str],
    modules: Iterable[str],
    interpreter: Interpreter,
    environ: Mapping[str, str],
) -> str:
    """Return a key for whether modules can be imported, and pip runs, in an environment with exactly these distributions.

    It contains everything that decides this, except for the libraries of the system.

    :param others: the keys (`successor_key`) of the distributions that are copied.
    """
    loader = sorted((name, text) for name, text in environ.items() if name.startswith(("LD_", "DYLD_")))
    names = sorted(os.path.basename(image.root) for image in images)
    decided = (FORMAT, names, sorted(others), sorted(modules), repr(interpreter), loader)
    return f"verified-{hashlib.sha256(repr(decided).encode('utf-8', 'surrogateescape')).hexdigest()}"


def is_known_to_import(key: str, store: Store) -> bool:
    """Return whether modules were imported, and pip ran, before; see `import_key`."""
    return any(os.path.isfile(os.path.join(directory, key)) for directory in store.readable_directories("successors"))


def record_import(key: str, store: Store) -> None:
    """Record that modules were imported, and that pip ran; a failure only costs time later."""
    try:
        replace_file(os.path.join(store.writable_directory("successors"), key), b"")
    except OSError:
        pass
