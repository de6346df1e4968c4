"""Wheels built from the sources in a lock file: source distributions, archives, checkouts and directories.

The interpreter itself runs a pip that supports it, from the store. This works for every Python since 3.6: pip isolates the
build, and gets what the build requires from the user's index. pip receives a cleaned environment and no configuration
files, but the user's settings for the index.

A wheel is built once. Its key in the store is a hash of everything that it depends on: the source, the interpreter, the
settings, and the environment variables that the build sees. Where that is unknown, as for many directories, it is built on
every run.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cloche.errors import SeedError, reason_of
from cloche.fs import open_regular_file, remove_path
from cloche.model.distribution import normalize_name
from cloche.model.value import Value, replace
from cloche.programs.pip import pip_environ
from cloche.shells.template import resource
from cloche.store.builds.directories import content_of_directory
from cloche.store.builds.sources import archive_hash, check_source, pip_argument, repository_url, unusable
from cloche.store.distributions import read_wheel
from cloche.store.fetch.pip_settings import read_pip_settings
from cloche.store.runnable_pip import runnable_pip
from cloche.store.tags import incompatibility

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloche.model.interpreter import Interpreter
    from cloche.model.plan import Wanted
    from cloche.store import Store
    from cloche.store.builds.sources import Source

FORMAT = 1
"""Increased when wheels that an earlier version built must not be used."""

PATIENCE = 3600.0
"""Seconds to wait for another process that builds the same wheel."""

GRACE = 3.0
"""Seconds between asking the processes of a build to stop and killing them."""

LOG_LINES = 12
"""The number of lines of a log that an error shows."""

UNFINISHED = ".new"

_NOISE = re.compile(
    r"|\[.*|note:.*|hint:.*|error: [a-z-]+|ERROR: Failed.*|Failed to build.*|from \S+:.*|Encountered error.*|See above .*|"
    r".*: started|.*: finished with status .*"
)
"""Lines that pip prints around the output of a build that failed."""

_REPORT = "error: subprocess-exited-with-error"
"""The line with which pip begins to report that a program failed."""

_NO_OUTPUT = "No available output."
"""What pip prints in place of the output of a program that it has not captured."""

BUILD_SETTINGS = frozenset(
    """
    build-constraint cache-dir cert client-cert config-settings default-timeout extra-index-url index-url keyring-provider
    no-index no-proxy-env proxy pypi-url retries timeout trusted-host uploaded-prior-to
    """.split()
)
"""The settings of pip that a build respects. Others choose versions or forms of packages, and the lock file has chosen."""

HIDDEN_VARIABLES = frozenset(
    """
    GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_COMMON_DIR GIT_DIR GIT_INDEX_FILE GIT_NAMESPACE GIT_OBJECT_DIRECTORY GIT_PREFIX
    GIT_WORK_TREE OLDPWD PWD SHLVL _
    """.split()
)
"""Variables that a build does not see. Git sets them for hooks; they would redirect other checkouts."""

UNIMPORTANT_VARIABLES = frozenset(
    """
    COLORTERM COLUMNS DBUS_SESSION_BUS_ADDRESS DISPLAY LINES SSH_AGENT_PID SSH_AUTH_SOCK SSH_CLIENT SSH_CONNECTION SSH_TTY
    TEMP TERM TMP TMPDIR WAYLAND_DISPLAY WINDOWID XAUTHORITY XDG_RUNTIME_DIR XDG_SESSION_ID
    """.split()
)
"""Variables that differ from session to session, but do not change the result of a build."""


class _Key(Value):
    """What a built wheel is stored by."""

    digest: str
    """A hash of everything that the wheel depends on."""
    is_complete: bool
    """Whether nothing else is known to decide the wheel. If something may, the wheel is only used in this run."""


def sources_to_build(sources: Sequence[Source], interpreter: Interpreter, wanted: Wanted, store: Store) -> list[Source]:
    """Return the sources for which the store has no wheel.

    :raises SeedError: a source is not usable.
    """
    environ = _build_environ(wanted, store) if sources else {}
    return [source for source in sources if not _find_built(_build_key(source, interpreter, environ, store), store)]


def build_wheels(
    sources: Sequence[Source], interpreter: Interpreter, wanted: Wanted, store: Store, *, only_binary: bool = False
) -> list[str]:
    """Return the path of a wheel for each source, built if necessary, in the same order.

    The store records the directories among the sources as inputs.

    :param only_binary: whether the user refuses to build. Then a wheel that was built earlier does not count either.
    :raises SeedError: building is refused (the message lists all sources), or failed.
    """
    if only_binary and sources:
        names = ", ".join(f"`{source.title}`" for source in sources)
        raise SeedError(
            f"`--only-binary` forbids building, and the lock file has no wheel for this Python of {names}",
            hint="leave out `--only-binary`, or add wheels to the lock file",
        )
    if missing := sources_to_build(sources, interpreter, wanted, store):
        store.progress(f"building {', '.join(source.title for source in missing)} for {interpreter.name}")
    environ = _build_environ(wanted, store) if sources else {}
    return [_find_or_build(source, interpreter, wanted, store, environ) for source in sources]


def _find_or_build(
    source: Source, interpreter: Interpreter, wanted: Wanted, store: Store, environ: Mapping[str, str]
) -> str:
    key = _build_key(source, interpreter, environ, store)
    if found := _find_built(key, store):
        return found
    if source.vcs and wanted.network == "never" and urlsplit(repository_url(source)).scheme != "file":
        raise SeedError(
            f"`--no-download` forbids the network, and {source.title} comes from a repository",
            hint="leave out `--no-download`",
        )
    builds = store.writable_directory("builds")
    with store.lock(f"build-{key.digest}", 0) as state:
        if state != "busy":
            return _find_built(key, store) or _build(source, interpreter, wanted, store, builds, key, environ)
    store.progress(f"waiting for another process that builds {source.title}")
    with store.lock(f"build-{key.digest}", PATIENCE):
        return _find_built(key, store) or _build(source, interpreter, wanted, store, builds, key, environ)


def _find_built(key: _Key, store: Store) -> str:
    """Return the path of a wheel that was built earlier; empty if there is none, or if another may be built now."""
    if not key.is_complete:
        return ""
    for directory in store.readable_directories("builds"):
        parent = os.path.join(directory, key.digest)
        for name in os.listdir(parent) if os.path.isdir(parent) and not os.path.islink(parent) else ():
            path = os.path.join(parent, name)
            try:
                read_wheel(path)
            except SeedError:
                continue
            if store.is_persistent:
                try:
                    os.utime(parent)  # `cloche cache prune` removes what is not used for a month
                except OSError:
                    pass
            return path
    return ""


def _build_key(source: Source, interpreter: Interpreter, environ: Mapping[str, str], store: Store) -> _Key:
    """Return the key of a built wheel in the store; the store records a directory as an input.

    :raises SeedError: the source is not usable.
    """
    check_source(source)
    content: str | None = source.commit
    if os.path.isdir(source.path):
        content = content_of_directory(source, _read_pyproject(source), store.inputs)
    elif not source.vcs:
        content = archive_hash(source.path)
    variables = sorted((name, text) for name, text in environ.items() if name not in UNIMPORTANT_VARIABLES)
    described = replace(source, version="", path=source.path if os.path.isdir(source.path) else "")
    decided = (FORMAT, described, content, repr(interpreter), variables)
    digest = hashlib.sha256(repr(decided).encode("utf-8", "surrogateescape")).hexdigest()
    return _Key(digest, is_complete=content is not None)


def _build(
    source: Source,
    interpreter: Interpreter,
    wanted: Wanted,
    store: Store,
    builds: str,
    key: _Key,
    environ: Mapping[str, str],
) -> str:
    """Build a wheel in a temporary directory, and publish it in the store.

    :raises SeedError: the build fails, or its wheel is not what the lock file names.
    """
    store.progress(f"building {source.title} for {interpreter.name}")
    pip = runnable_pip(interpreter, wanted, store, compiled=True)
    log = os.path.join(builds, f"{source.distribution}-{key.digest[:16]}.log")
    stage = tempfile.mkdtemp(suffix=UNFINISHED, dir=builds)
    work = tempfile.mkdtemp(prefix="cloche-build-")
    try:
        command = [
            interpreter.executable,
            "-I",
            pip,
            "wheel",
            "--no-deps",
            "--no-cache-dir",
            "--wheel-dir",
            stage,
            "--",
        ]
        command.append(_editable_project(source, work) if source.editable else pip_argument(source))
        additional = {"TMPDIR": work, "TEMP": work, "TMP": work, "DIST_EXTRA_CONFIG": _setuptools_config(source, work)}
        code = _run(command, {**environ, **additional}, work, log, source, store)
        if code != 0:
            raise _build_error(source, interpreter, _log_line(log), log)
        wheel = _built_wheel(source, interpreter, stage, log)
        os.unlink(log)
        is_unchanged = _build_key(source, interpreter, environ, store) == key  # somebody may have edited the directory
        return _publish(wheel, os.path.join(builds, key.digest if is_unchanged else f"{key.digest}-changed"))
    except OSError as error:
        raise SeedError(
            f"the wheel of {source.title} cannot be written to `{builds}` ({reason_of(error)})",
            hint="free some space, or choose another directory with `--cache-dir`",
        ) from error
    finally:
        remove_path(stage)
        shutil.rmtree(work, ignore_errors=True)


def _build_environ(wanted: Wanted, store: Store) -> dict[str, str]:
    """Return the environment variables for a build: the user's, without those for other programs, and pip's settings."""
    host = store.host
    settings = read_pip_settings(host)
    options = {name: text for name, text in settings.options.items() if name in BUILD_SETTINGS}
    environ = {
        name: text
        for name, text in pip_environ(host.environ, options).items()
        if not name.startswith("CLOCHE_") and name not in HIDDEN_VARIABLES
    }
    if active := host.environ.get("VIRTUAL_ENV"):  # its programs are not part of an isolated build
        inside = os.path.join(active, "")
        entries = environ.get("PATH", "").split(os.pathsep)
        environ["PATH"] = os.pathsep.join(entry for entry in entries if not os.path.join(entry, "").startswith(inside))
    links = [Path(directory).as_uri() for directory in wanted.find_links] + settings.texts("find-links")
    return {
        **environ,
        **({"PIP_FIND_LINKS": " ".join(links)} if links else {}),
        **({"PIP_NO_INDEX": "1"} if wanted.network == "never" else {}),
        "GIT_TERMINAL_PROMPT": "0",
        "PIP_USE_PEP517": "1",
        "PYTHONDONTWRITEBYTECODE": "1",  # the pip in the store must not change
        "PYTHONIOENCODING": "utf-8",
    }


def _setuptools_config(source: Source, work: str) -> str:
    """Return the path of a configuration that makes setuptools leave no `build` in the user's directory.

    Files in it would also end up in the wheels of later builds, even if they were deleted from the project.
    """
    path = os.path.join(work, "setuptools.cfg")
    with open(path, "w", encoding="utf-8") as file:
        if os.path.isdir(source.path) and not source.editable:
            file.write(f"[build]\nbuild_base = {os.path.join(work, 'build').replace('%', '%%')}\n")
    return path


def _editable_project(source: Source, work: str) -> str:
    """Create a project whose wheel is the editable wheel of the source, and return its directory.

    :raises SeedError: the project's `pyproject.toml` cannot be read.
    """
    directory = _project_directory(source)
    system = _build_system(source)
    project = os.path.join(work, "editable")
    os.mkdir(project)
    files = {
        "cloche_editable.py": resource(__name__, "_editable_backend.py"),
        "project.json": json.dumps(
            {
                "directory": directory,
                "build-backend": system.get("build-backend", "setuptools.build_meta:__legacy__"),
                "backend-path": system.get("backend-path", []),
            }
        ),
        "pyproject.toml": (
            "[build-system]\n"
            f"requires = {json.dumps(system.get('requires', ['setuptools>=64']))}\n"
            'build-backend = "cloche_editable"\n'
            'backend-path = ["."]\n'
        ),
    }
    for name, text in files.items():
        with open(os.path.join(project, name), "w", encoding="utf-8") as file:
            file.write(text)
    return project


def _build_system(source: Source) -> Mapping[str, object]:
    """Return the table `build-system` of a directory's `pyproject.toml`.

    :raises SeedError: it cannot be read, or is not valid (PEP 518).
    """
    system: object = _read_pyproject(source).get("build-system", {})
    kinds = {"requires": list, "backend-path": list, "build-backend": str}
    if not isinstance(system, dict) or not all(
        isinstance(system.get(key, kind()), kind) for key, kind in kinds.items()
    ):
        path = os.path.join(_project_directory(source), "pyproject.toml")
        raise unusable(source, f"the table `build-system` in `{path}` is not valid")
    return system


def _read_pyproject(source: Source) -> Mapping[str, object]:
    """Return the content of a directory's `pyproject.toml`; empty if there is none.

    :raises SeedError: it cannot be read.
    """
    from cloche.fs.toml import parse_toml

    path = os.path.join(_project_directory(source), "pyproject.toml")
    try:
        with open_regular_file(path) as file:
            return parse_toml(file.read().decode("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise unusable(source, f"`{path}` cannot be read ({reason_of(error)})") from error


def _project_directory(source: Source) -> str:
    return os.path.join(source.path, source.subdirectory) if source.subdirectory else source.path


def _run(
    command: Sequence[str], environ: Mapping[str, str], directory: str, log: str, source: Source, store: Store
) -> int:
    """Run a build in a process group of its own, and return its exit code; its output goes to `log`.

    A build starts compilers and other programs. If the user interrupts the run, all of them are killed.
    """
    started = time.monotonic()
    with open(log, "wb") as output:
        try:
            process = subprocess.Popen(
                command,
                cwd=directory,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise unusable(source, f"`{command[0]}` cannot be run ({reason_of(error)})") from error
        try:
            while True:
                try:
                    return process.wait(timeout=1)
                except subprocess.TimeoutExpired:
                    store.progress(f"building {source.title}, {time.monotonic() - started:.0f} s")
        except BaseException:
            _kill(process)
            raise


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Stop a process and all processes in its group, by force if necessary."""
    if os.name == "nt":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, number)
                process.wait(GRACE)
            except (ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
                continue
    process.wait()


def _built_wheel(source: Source, interpreter: Interpreter, stage: str, log: str) -> str:
    """Return the path of the wheel in `stage`, after checking that it is what the lock file names.

    :raises SeedError: it is not, or there is no wheel.
    """
    from packaging.version import InvalidVersion, Version

    wheels = [name for name in os.listdir(stage) if name.endswith(".whl")]
    if len(wheels) != 1:
        raise _build_error(source, interpreter, f"it made {len(wheels)} wheels instead of one", log)
    path = os.path.join(stage, wheels[0])
    try:
        distribution = read_wheel(path)
    except SeedError as error:
        raise _build_error(source, interpreter, error.message.replace(f"{stage}{os.sep}", ""), log) from error
    made = f"{distribution.name} {distribution.version}"
    if distribution.name != normalize_name(source.distribution):
        raise _build_error(source, interpreter, f"it made a wheel of {made}", log)
    try:
        same = not source.version or Version(source.version) == Version(distribution.version)
    except InvalidVersion:
        same = source.version == distribution.version
    if not same:
        raise _build_error(source, interpreter, f"it made a wheel of {made}", log)
    if reason := incompatibility(distribution, interpreter):
        raise _build_error(source, interpreter, f"its wheel {reason}", log)
    return path


def _publish(wheel: str, directory: str) -> str:
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


def _log_line(log: str) -> str:
    """Return the line of a log that most likely says what failed."""
    lines = [re.sub(r"^[^\x00-\x7f]+>?\s*", "", line) for line in _last_lines(log)]  # pip draws boxes
    if _NO_OUTPUT in lines and _REPORT in lines:  # git has printed the reason before pip reports that it failed
        lines = lines[: lines.index(_REPORT)]
        lines = [line for line in lines if line.startswith("fatal: ")] or lines
    lines = [line for line in lines if not _NOISE.fullmatch(line)]
    return lines[-1].removeprefix("ERROR: ") if lines else "no error message"


def _last_lines(log: str) -> list[str]:
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()][-4 * LOG_LINES :]
            return [re.sub(r"(\w+://)[^/@\s]+@", r"\1****@", line) for line in lines]  # URLs may have credentials
    except OSError:
        return []


def _build_error(source: Source, interpreter: Interpreter, reason: str, log: str) -> SeedError:
    lines = "".join(f"\n  {line}" for line in _last_lines(log)[-LOG_LINES:])
    return SeedError(
        f"cannot build {source.title} for {interpreter.name}: {reason}",
        hint=f"the log is `{log}`; it ends with:{lines}",
    )
