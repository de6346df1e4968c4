"""Wheels built from the sources in a lock file: source distributions, archives, checkouts and directories.

The interpreter itself runs a pip that supports it, from the store. This works for every Python since 3.6: pip isolates the
build, and gets what the build requires from the user's index. pip receives a cleaned environment and no configuration
files, but the user's settings for the index. pip makes no wheel of an editable directory, so `editables` builds that one.

A wheel is built once. Its key in the store is a hash of everything that it depends on: the source, the interpreter, the
settings, and the environment variables that the build sees. Where that is unknown, as for many directories, it is built on
every run.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cloche.errors import SeedError, reason_of
from cloche.fs import remove_path
from cloche.model.metadata import normalize_name
from cloche.store.builds.editables import BuildEnvironment, build_editable_wheel
from cloche.store.builds.keys import build_key, find_built_wheel
from cloche.store.builds.log import build_error, likely_reason
from cloche.store.builds.process import build_environ, run_build
from cloche.store.builds.projects import write_setuptools_config
from cloche.store.builds.sources import pip_argument, repository_url
from cloche.store.distributions import read_wheel
from cloche.store.runnable_pip import runnable_pip
from cloche.store.staging import cache_remedy, scratch_directory, staging_directory
from cloche.store.tags import incompatibility

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Wanted
    from cloche.store import Store
    from cloche.store.builds.keys import BuildKey
    from cloche.store.builds.sources import SourceCode

LOCK_TIMEOUT = 3600.0
"""Seconds to wait for another process that builds the same wheel."""


def sources_to_build(
    sources: Sequence[SourceCode], interpreter: Interpreter, wanted: Wanted, store: Store
) -> list[SourceCode]:
    """Return the sources for which the store has no wheel.

    :raises SeedError: a source is not usable.
    """
    environ = build_environ(wanted, store) if sources else {}
    return [source for source in sources if not find_built_wheel(build_key(source, interpreter, environ, store), store)]


def build_wheels(
    sources: Sequence[SourceCode], interpreter: Interpreter, wanted: Wanted, store: Store, *, only_binary: bool = False
) -> list[str]:
    """Return the path of a wheel for each source, built if necessary, in the same order.

    The store records the directories among the sources as inputs.

    :param only_binary: whether the user refuses to build. Then a wheel that was built earlier does not count either.
    :raises SeedError: building is refused (the message lists all sources), or failed.
    """
    if only_binary and sources:
        names = ", ".join(f"`{source.title}`" for source in sources)
        raise SeedError(
            f"`--only-binary` prevents building, and the lock file has no wheel of {names} for this Python",
            hint="leave out `--only-binary`, or add wheels to the lock file",
        )
    missing = sources_to_build(sources, interpreter, wanted, store)
    if missing:
        titles = ", ".join(source.title for source in missing)
        store.notify(f"building from source for {interpreter.name}: {titles}")
    environ = build_environ(wanted, store) if sources else {}
    wheels = []
    for source in sources:
        if source in missing:
            done = missing.index(source)
            text = f"building {source.title} for {interpreter.name}"
            store.progress(text, builds=done, total_builds=len(missing))
        wheels.append(find_or_build_wheel(source, interpreter, wanted, store, environ))
    return wheels


def find_or_build_wheel(
    source: SourceCode, interpreter: Interpreter, wanted: Wanted, store: Store, environ: Mapping[str, str]
) -> str:
    key = build_key(source, interpreter, environ, store)
    if found := find_built_wheel(key, store):
        return found
    if source.vcs and wanted.network == "never" and urlsplit(repository_url(source)).scheme != "file":
        raise SeedError(
            f"`--no-download` prevents downloads, and {source.title} comes from a repository",
            hint="leave out `--no-download`",
        )
    builds = store.writable_directory("builds")
    with store.lock(f"build-{key.digest}", 0) as state:
        if state != "busy":
            return find_built_wheel(key, store) or build_wheel(source, interpreter, wanted, store, builds, key, environ)
    store.progress(f"waiting for another process that builds {source.title}")
    with store.lock(f"build-{key.digest}", LOCK_TIMEOUT):
        return find_built_wheel(key, store) or build_wheel(source, interpreter, wanted, store, builds, key, environ)


def build_wheel(
    source: SourceCode,
    interpreter: Interpreter,
    wanted: Wanted,
    store: Store,
    builds: str,
    key: BuildKey,
    environ: Mapping[str, str],
) -> str:
    """Build a wheel in a temporary directory, and publish it in the store.

    :raises SeedError: the build fails, or its wheel is not what the lock file names.
    """
    store.progress(f"building {source.title} for {interpreter.name}")
    pip = runnable_pip(interpreter, wanted, store, compiled=True)
    log = os.path.join(builds, f"{source.distribution}-{key.digest[:16]}.log")
    try:
        with (
            staging_directory(store.staging, builds) as stage,
            scratch_directory(store.staging, "cloche-build-") as work,
        ):
            remove_path(log)
            config = write_setuptools_config(source, work)
            seen = {**environ, "TMPDIR": work, "TEMP": work, "TMP": work, "DIST_EXTRA_CONFIG": config}
            if source.editable:
                build_editable_wheel(BuildEnvironment(source, interpreter, pip, seen, work, log, store), stage)
            else:
                command = [interpreter.executable, "-I", pip, "wheel", "--no-deps", "--no-cache-dir"]
                command += ["--wheel-dir", stage, "--", pip_argument(source)]
                if run_build(command, seen, work, log, source, store) != 0:
                    raise build_error(source, interpreter, likely_reason(log), log)
            wheel = check_built_wheel(source, interpreter, stage, log)
            os.unlink(log)
            is_unchanged = build_key(source, interpreter, environ, store) == key  # another program may have edited it
            return publish_wheel(wheel, os.path.join(builds, key.digest if is_unchanged else f"{key.digest}-changed"))
    except OSError as error:
        raise SeedError(
            f"the wheel of {source.title} cannot be written to `{builds}` ({reason_of(error)})",
            hint=cache_remedy(error),
        ) from error


def check_built_wheel(source: SourceCode, interpreter: Interpreter, stage: str, log: str) -> str:
    """Return the path of the wheel in `stage`, after checking that it is what the lock file names.

    :raises SeedError: it is not, or there is no wheel.
    """
    from packaging.version import Version

    wheels = [name for name in os.listdir(stage) if name.endswith(".whl")]
    if len(wheels) != 1:
        raise build_error(source, interpreter, f"it made {len(wheels)} wheels instead of one", log)
    path = os.path.join(stage, wheels[0])
    try:
        distribution = read_wheel(path)
    except SeedError as error:
        raise build_error(source, interpreter, error.message.replace(f"{stage}{os.sep}", ""), log) from error
    made = f"{distribution.name} {distribution.version}"
    if distribution.name != normalize_name(source.distribution):
        raise build_error(source, interpreter, f"it made a wheel of {made}", log)
    try:
        same = not source.version or Version(source.version) == Version(distribution.version)
    except ValueError:
        same = source.version == distribution.version
    if not same:
        raise build_error(source, interpreter, f"it made a wheel of {made}", log)
    if reason := incompatibility(distribution, interpreter):
        raise build_error(source, interpreter, f"its wheel {reason}", log)
    return path


def publish_wheel(wheel: str, directory: str) -> str:
    """Move a complete wheel to its directory in the store, and return its path.

    :raises OSError: it cannot be moved.
    """
    with open(wheel, "rb+") as file:
        os.fsync(file.fileno())
    path = os.path.join(directory, os.path.basename(wheel))
    if not os.path.isdir(directory) or os.path.islink(directory):
        remove_path(directory)
    os.makedirs(directory, 0o700, exist_ok=True)
    os.replace(wheel, path)  # another process may be reading an earlier wheel of the same directory
    for name in os.listdir(directory):
        if name != os.path.basename(wheel):
            remove_path(os.path.join(directory, name))
    return path
