"""Translate virtualenv's options into arguments of `cloche.create`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypedDict

import cloche
from cloche.model.spec import InterpreterSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    from cloche_virtualenv.options import Options

SOURCES = ("cli", "env var", "file")
"""The sources of an option's value, in order of precedence."""


class Cache(TypedDict):
    """The arguments of `cloche.create` that choose the cache."""

    cache: str | None
    access: Literal["read-write", "read-only", "none"]
    environ: Mapping[str, str]


class Choices(Cache):
    """The arguments of `cloche.create`."""

    python: Sequence[str]
    try_first_with: Sequence[str]
    creator: str | None
    seeder: str
    seeds: Sequence[str]
    find_links: Sequence[str]
    network: Literal["never", "last-resort", "newest"]
    dependencies: Literal["included", "omitted"]
    activators: Sequence[str] | None
    existing: Literal["keep", "replace"]
    site_packages: Literal["isolated", "system"]
    prompt: str | None
    link_mode: Literal["auto", "symlink"]
    vcs_ignore: bool
    pyvenv_cfg: Mapping[str, str]


def choices_for(options: Options, environ: Mapping[str, str], version: str, warnings: list[str]) -> Choices:
    """Return the arguments of `cloche.create` for an environment.

    :param version: the version of virtualenv to record in `pyvenv.cfg`.
    """
    return {
        **cache_for(options, environ, warnings),
        "python": requests_in(options, warnings),
        "try_first_with": options.try_first_with,
        "creator": creator_for(options),
        "seeder": options.seeder,
        "seeds": seeds_for(options),
        # Absolute, because cloche refuses a blank path, and a directory can have the name " ".
        "find_links": [
            os.path.abspath(directory) for directory in options.extra_search_dir if os.path.isdir(directory)
        ],
        "network": "newest" if options.download else "last-resort" if options.download is None else "never",
        "dependencies": "omitted",  # virtualenv installs exactly what it is asked for
        "activators": options.activators,
        "existing": "replace" if options.clear else "keep",
        "site_packages": "system" if options.system_site else "isolated",
        "prompt": options.prompt,
        "link_mode": "symlink" if options.symlink_app_data else "auto",
        "vcs_ignore": not options.no_vcs_ignore,
        "pyvenv_cfg": {"virtualenv": version},
    }


def creator_for(options: Options) -> str | None:
    """Return the creator; None to leave the choice to cloche.

    If both `--copies` and `--symlinks` are set, the source with precedence decides; within one source, copies win. The
    creator `venv` makes links, so that for copies it is the creator `copy`.
    """
    links = links_for(options)
    if options.creator == "builtin" or (options.creator == "venv" and links == "copy"):
        return links
    return str(options.creator)


def links_for(options: Options) -> Literal["copy", "symlink"] | None:
    """Return the creator for `--copies` or `--symlinks`; None if neither is set."""
    for source in SOURCES:
        if options.copies and options.get_source("copies") == source:
            return "copy"
        if options.symlinks and options.get_source("symlinks") == source:
            return "symlink"
    return None


def requests_in(options: Options, warnings: list[str]) -> list[str]:
    """Return the requests for a Python. Of several, those that are invalid are left out: virtualenv finds nothing for them."""
    valid = []
    for request in options.python:
        try:
            InterpreterSpec.parse(request)
            valid.append(request)
        except cloche.UsageError as error:
            if len(options.python) > 1:
                warnings.append(f"`-p {request}` is ignored: {error.message}")
    return valid or list(options.python)


def seeds_for(options: Options) -> list[str]:
    """Return the requirements to install; for `bundle` and `embed`, cloche chooses the version."""
    if options.no_seed:
        return []
    seeds = []
    for name in ("pip", "setuptools", "wheel"):
        version = getattr(options, name)
        if version != "none" and not getattr(options, f"no_{name}"):
            seeds.append(name if version in ("bundle", "embed") else f"{name}=={version}")
    return seeds


def cache_for(options: Options, environ: Mapping[str, str], warnings: list[str]) -> Cache:
    """Return which cache to use; if it cannot be created, use none, as virtualenv does.

    :raises RuntimeError: a directory that must not be changed does not exist.
    """
    directory = options.app_data or environ.get("VIRTUALENV_OVERRIDE_APP_DATA", "").strip()
    if options.read_only_app_data:
        if directory and not os.path.isdir(directory):
            raise RuntimeError(f"read-only app data directory {directory} does not exist")
        return {**user_cache(environ, directory), "access": "read-only"}
    if directory:
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
        except OSError as error:
            warnings.append(f"working without a cache, because `{directory}` cannot be created: {error.strerror}")
            return {"cache": None, "access": "none", "environ": environ}
    return user_cache(environ, directory)


def user_cache(environ: Mapping[str, str], directory: str = "") -> Cache:
    """Return the cache in a directory, by default the cache of the command `cloche`."""
    return {
        "cache": os.path.abspath(directory) if directory else environ.get("CLOCHE_CACHE_DIR") or None,
        "access": "read-write",
        "environ": environ,
    }
