"""The kinds of files in the store. Each kind has a directory of its name."""

from __future__ import annotations

from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "interpreters",
    "wheels",
    "artifacts",
    "builds",
    "images",
    "origins",
    "plans",
    "locks",
    "links",
    "packed",
    "python-discovery",
    "successors",
    "bytecode",
]

STORE_DIRECTORIES: tuple[Kind, ...] = (
    "interpreters",
    "wheels",
    "artifacts",
    "builds",
    "images",
    "origins",
    "plans",
    "locks",
)
"""The store's directories: probe results, downloaded seeds, files of lock files by hash, wheels built from source, unpacked
wheels, the names of the unpacked wheels by the hash of the wheel, cached plans, files for locking."""

OPTIONAL_DIRECTORIES: tuple[Kind, ...] = ("links", "packed", "python-discovery", "successors", "bytecode")
"""Directories that few stores have: the paths of environments that link to images (see `cloche.store.links`), the wheels
that `cloche-virtualenv` packed from images, its probe results in the form of virtualenv, the names of the images that
upgrades installed (see `cloche.store.recorded_successors`), and what `pack` compiled (see `cloche.store.bytecode`)."""
