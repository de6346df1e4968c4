"""The Python interface, for programs that create or read environments.

Functions that take the same arguments spell them out each time, so that editors, `help` and type checkers show them with
their defaults; a test compares the signatures.
"""

from __future__ import annotations

import os

from cloche.api.arguments import as_environ, check_choices
from cloche.errors import ClocheError, UsageError, reason_of
from cloche.lifecycle.create import create_environment, plan_environment, with_kept_options
from cloche.model.plan import EnvironmentSpec
from cloche.model.value import TYPE_CHECKING, replace
from cloche.planning import as_path, as_strings, check_text, request_for, warnings_about
from cloche.session import Session, current_host

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from typing_extensions import Unpack

    from cloche.model.aliases import (
        Access,
        Builds,
        Choices,
        Compile,
        DefaultGroups,
        Dependencies,
        ExtraPackages,
        LinkMode,
        Network,
        OnExisting,
        SitePackages,
        StartupPolicy,
        StrPath,
    )
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Host, Interpreter
    from cloche.model.operations import Write
    from cloche.model.plan import Plan, Result


def create(
    destination: StrPath,
    *,
    python: StrPath | Sequence[StrPath] | None = None,
    try_first_with: Sequence[StrPath] = (),
    no_finders: Sequence[str] = (),
    creator: str | None = None,
    seeder: str | None = None,
    seeds: Sequence[str] | None = "default",
    lock: StrPath | None = None,
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    default_groups: DefaultGroups = "included",
    builds: Builds = "allowed",
    compile: Compile = "auto",
    extra_packages: ExtraPackages = "removed",
    find_links: Sequence[StrPath] = (),
    network: Network = "last-resort",
    dependencies: Dependencies = "included",
    activators: Sequence[str] | None = None,
    existing: OnExisting = "keep",
    site_packages: SitePackages = "isolated",
    startup_code: StartupPolicy | Sequence[str] = "list",
    prompt: str | None = None,
    link_mode: LinkMode = "auto",
    vcs_ignore: bool = True,
    relocatable: bool = False,
    pyvenv_cfg: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    cache: StrPath | None = None,
    access: Access = "read-write",
) -> Environment:
    """Create an environment, all or nothing, and return it.

    Project files, user configuration and `CLOCHE_*` variables are not read; `CLOCHE_DISABLE_PLUGINS` is the only
    exception. Which Pythons and which pip there are still depends on the machine. The warnings that the command would
    print go to the logger `cloche`.

    :param destination: the directory to create; an existing environment of the same Python is refreshed, and keeps its prompt,
        placement, site packages and copies of executables unless an argument sets something other than the default.
    :param python: a request as `-p` accepts it, or several in order of preference; by default the base interpreter of
        the running Python.
    :param try_first_with: executables of interpreters to try before all others.
    :param no_finders: names of finders that are not asked for interpreters.
    :param creator: name of a creator; by default `symlink`, on Windows `copy`.
    :param seeder: name of a seeder; by default `lock` if there is a lock file, otherwise `pip`.
    :param seeds: requirements to install (`NAME` or `NAME==VERSION`), None or () for none; `default` is `pip` alone, or none if
        there is a lock file.
    :param lock: a lock file (`pylock.toml`, or a pinned requirements file): exactly its packages are installed.
    :param extras: extras of the lock file to install.
    :param groups: dependency groups of the lock file to install, in addition to its default groups.
    :param default_groups: whether the default groups of the lock file are `included` (the default) or `excluded`.
    :param builds: whether packages of the lock file that have no suitable wheel may be built from source: `allowed` (the
        default) or `refused`.
    :param compile: when packages are compiled to bytecode: `auto` when they are installed into a second environment, or a
        portable one (the default), `now`, or `never`.
    :param extra_packages: whether packages in an existing environment that the lock file does not name are `removed` (the
        default) or `kept`.
    :param find_links: directories with wheels; they take precedence over every other source.
    :param network: when seeds may be downloaded: `never`, `last-resort` (the default) or `newest`.
    :param dependencies: whether what the seeds depend on is installed too: `included` (the default) or `omitted`.
    :param activators: names of activators, () for none; by default all that support the interpreter.
    :param existing: `keep` what exists (the default), `replace` the environment but no other files, or `replace-anything`:
        everything in the directory, unless it contains a project.
    :param site_packages: `isolated` (the default), or `system` to see the base interpreter's packages.
    :param startup_code: what happens to packages with code that runs whenever Python starts: `allow`, `list` (the default;
        here the same as `allow`) or `refuse`, or a list of the packages that may have such code.
    :param prompt: the text that an activated shell shows, by default the name of the directory; `.` for the name of the current
        directory.
    :param link_mode: how seeds get into the environment: `auto` (the default), `clone`, `hardlink`, `copy`, `symlink`.
    :param vcs_ignore: whether to write a `.gitignore` that keeps the environment out of version control.
    :param relocatable: whether the environment must still work after it is moved or copied.
    :param pyvenv_cfg: additional settings for `pyvenv.cfg`, for a program that marks its environments; cloche's own keys
        keep cloche's values.
    :param options: values for options that plugins declare, by option name.
    :param environ: environment variables to use instead of `os.environ`.
    :param cache: the cache directory; by default the user's.
    :param access: how to use the cache: `read-write` (the default), `read-only`, `none`.
    :raises ClocheError: any refusal or failure (see `cloche.errors`); the destination is then unchanged.
    :raises TypeError: unknown argument, or wrong type.
    """
    result = create_with_result(**locals())
    log_warnings((*result.warnings, *result.plan.notes))
    return result.environment


def create_with_result(
    destination: StrPath,
    *,
    python: StrPath | Sequence[StrPath] | None = None,
    try_first_with: Sequence[StrPath] = (),
    no_finders: Sequence[str] = (),
    creator: str | None = None,
    seeder: str | None = None,
    seeds: Sequence[str] | None = "default",
    lock: StrPath | None = None,
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    default_groups: DefaultGroups = "included",
    builds: Builds = "allowed",
    compile: Compile = "auto",
    extra_packages: ExtraPackages = "removed",
    find_links: Sequence[StrPath] = (),
    network: Network = "last-resort",
    dependencies: Dependencies = "included",
    activators: Sequence[str] | None = None,
    existing: OnExisting = "keep",
    site_packages: SitePackages = "isolated",
    startup_code: StartupPolicy | Sequence[str] = "list",
    prompt: str | None = None,
    link_mode: LinkMode = "auto",
    vcs_ignore: bool = True,
    relocatable: bool = False,
    pyvenv_cfg: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    cache: StrPath | None = None,
    access: Access = "read-write",
) -> Result:
    """Create an environment as `create` does, and return it with its plan and all warnings.

    For programs that report to their users: the warnings are in the result (`warnings`, and `notes` of its `plan`), and
    are not logged.

    :raises ClocheError: see `create`.
    """
    arguments = locals()
    with open_session(**arguments) as session:
        result, _ = create_environment(request_for(session.host, **arguments), session)
    warnings = (*argument_warnings(session.host, **arguments), *result.warnings)
    return replace(
        result,
        warnings=spelled(warnings),
        plan=replace(result.plan, notes=spelled(result.plan.notes)),
    )


def plan(
    destination: StrPath,
    *,
    python: StrPath | Sequence[StrPath] | None = None,
    try_first_with: Sequence[StrPath] = (),
    no_finders: Sequence[str] = (),
    creator: str | None = None,
    seeder: str | None = None,
    seeds: Sequence[str] | None = "default",
    lock: StrPath | None = None,
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    default_groups: DefaultGroups = "included",
    builds: Builds = "allowed",
    compile: Compile = "auto",
    extra_packages: ExtraPackages = "removed",
    find_links: Sequence[StrPath] = (),
    network: Network = "last-resort",
    dependencies: Dependencies = "included",
    activators: Sequence[str] | None = None,
    existing: OnExisting = "keep",
    site_packages: SitePackages = "isolated",
    startup_code: StartupPolicy | Sequence[str] = "list",
    prompt: str | None = None,
    link_mode: LinkMode = "auto",
    vcs_ignore: bool = True,
    relocatable: bool = False,
    pyvenv_cfg: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    cache: StrPath | None = None,
    access: Access = "read-write",
) -> Plan:
    """Return the plan for `create` with the same arguments; nothing is written at or near the destination.

    :raises ClocheError: `create` would refuse these arguments.
    """
    arguments = locals()
    with open_session(**arguments) as session:
        planned, _ = plan_environment(request_for(session.host, **arguments), session)
    log_warnings((*argument_warnings(session.host, **arguments), *session.warnings, *planned.notes))
    return replace(planned, notes=spelled(planned.notes))


def describe(
    destination: StrPath,
    *,
    python: StrPath | Sequence[StrPath] | None = None,
    try_first_with: Sequence[StrPath] = (),
    no_finders: Sequence[str] = (),
    creator: str | None = None,
    seeder: str | None = None,
    seeds: Sequence[str] | None = "default",
    lock: StrPath | None = None,
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    default_groups: DefaultGroups = "included",
    builds: Builds = "allowed",
    compile: Compile = "auto",
    extra_packages: ExtraPackages = "removed",
    find_links: Sequence[StrPath] = (),
    network: Network = "last-resort",
    dependencies: Dependencies = "included",
    activators: Sequence[str] | None = None,
    existing: OnExisting = "keep",
    site_packages: SitePackages = "isolated",
    startup_code: StartupPolicy | Sequence[str] = "list",
    prompt: str | None = None,
    link_mode: LinkMode = "auto",
    vcs_ignore: bool = True,
    relocatable: bool = False,
    pyvenv_cfg: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    cache: StrPath | None = None,
    access: Access = "read-write",
) -> Environment:
    """Return the environment that `create` would create, whether or not the destination exists.

    The arguments are those of `create`. Only the interpreter is looked up, and the options that an existing environment
    keeps. For programs that need the paths of an environment before they create it, or before they remove what exists at
    the destination.

    :raises InterpreterNotFound: no interpreter matches; the hint lists the closest ones.
    :raises UsageError: an argument is not valid.
    """
    arguments = locals()
    from cloche.lifecycle.resolving import interpreter_for
    from cloche.planning.layout import layout_of
    from cloche.planning.plan_at import environment_at

    with open_session(**arguments) as session:
        request = with_kept_options(request_for(session.host, **arguments), session.host)
        interpreter = interpreter_for(request.spec, session)
    log_warnings(session.warnings)
    target = request.target
    return environment_at(target.destination, target, interpreter, layout_of(interpreter), session.host)


def find(
    *specs: StrPath,
    python: StrPath | Sequence[StrPath] | None = None,
    try_first_with: Sequence[StrPath] = (),
    no_finders: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
    cache: StrPath | None = None,
    access: Access = "read-write",
) -> Interpreter:
    """Return the first matching interpreter; without a request, the base interpreter of the running Python.

    :param specs: requests as `-p` accepts them, in order of preference; those in `python` come after them. The other arguments
        are those of `create`.
    :raises InterpreterNotFound: no interpreter matches; the hint lists the closest ones.
    :raises UsageError: a request is not valid.
    """
    from cloche.lifecycle.resolving import interpreter_for

    pythons = (*as_strings("specs", specs), *as_strings("python", python))
    with open_session(
        python=pythons,
        try_first_with=try_first_with,
        no_finders=no_finders,
        environ=environ,
        cache=cache,
        access=access,
    ) as session:
        first = as_strings("try_first_with", try_first_with)
        found = interpreter_for(EnvironmentSpec(pythons, first, as_strings("no_finders", no_finders)), session)
    log_warnings(session.warnings)
    return found


def load(
    path: StrPath,
    *,
    environ: Mapping[str, str] | None = None,
    cache: StrPath | None = None,
    access: Access = "read-write",
) -> Environment:
    """Return the environment at a path, created by any tool (PEP 405).

    The other arguments are those of `create`.

    :raises DestinationError: the path is not an environment.
    """
    from cloche.lifecycle.reader import read_environment

    with open_session(environ=environ, cache=cache, access=access) as session:
        environment = read_environment(as_path("path", path), session.host, session.probes)
    log_warnings(session.warnings)
    return environment


def lock_environment(path: StrPath) -> AbstractContextManager[object]:
    """Return a context manager that locks the environment at a path against changes by other runs of cloche.

    For programs that change an environment themselves. Entering the context waits for a run that is changing the
    environment. The lock does not affect readers, or tools other than cloche.

    :raises ClocheError: another run keeps the environment locked for more than a minute, or the path cannot be opened.
    """
    from contextlib import ExitStack, contextmanager

    from cloche.fs.locks import DirectoryLock

    directory = as_path("path", path)

    @contextmanager
    def lock() -> Iterator[None]:
        with ExitStack() as stack:
            try:
                stack.enter_context(DirectoryLock(directory))
            except OSError as error:
                raise ClocheError(
                    f"cannot lock `{directory}`: {reason_of(error)}", hint="check the path and its permissions"
                ) from error
            yield

    return lock()


def console_script(environment: Environment, name: str, target: str) -> Write:
    """Return a script that calls a function with an environment's Python, as an operation with its path and content.

    On Windows the script is an executable. It works whatever the path of the environment is.

    :param name: the command, without a suffix: `pip`.
    :param target: the function, in the form of an entry point: `package.module:attribute`.
    :raises UsageError: the name cannot be a file name, or the target is not in that form.
    """
    from cloche.model.distribution import EntryPoint
    from cloche.model.operations import Write
    from cloche.store.installation import entry_point_script

    for argument, text in (("name", name), ("target", target)):
        if not isinstance(text, str):
            raise TypeError(f"`{argument}` must be a string, not {text!r}")
        check_text(argument, text)
    module, _, attribute = target.partition(":")
    point = EntryPoint(name, module, attribute)
    if not point.names_object():
        raise UsageError(f"`{target}` is not a reference to a function", hint="write it as `package.module:function`")
    if name in ("", ".", "..") or any(character in name for character in "/\\:\0"):
        raise UsageError(f"`{name}` cannot be the name of a script", hint="use a file name such as `pip`")
    file_name, content = entry_point_script(name, point, environment)
    return Write(f"{environment.layout.bin}/{file_name}", content, executable="yes")


def pip_environ(environment: Environment, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment variables for running `pip install` in an environment, as cloche itself runs it.

    The user's settings for the index, the connection and the accepted builds are among them, including those in
    configuration files. Settings that change what pip installs, or where, are not.

    :param environ: the variables of the user; by default, the variables of this process.
    :raises ClocheError: the environment has no pip, or pip cannot read its settings.
    """
    from tempfile import TemporaryDirectory

    from cloche.store.pip import kept_settings, list_settings
    from cloche.store.pip import pip_environ as environ_with

    host = current_host(as_environ(environ))
    with TemporaryDirectory(prefix="cloche-") as directory:
        listed = list_settings((environment.path_to(environment.layout.executable), "-m", "pip"), host, directory)
    if listed.problem:
        raise ClocheError(
            f"pip cannot be used in `{environment.location}`: {listed.problem}",
            hint="`cloche doctor` finds out why, unless the environment was created without pip",
        )
    return environ_with(host.environ, kept_settings(listed.output, "install", host.cwd))


def cache_directory(
    *,
    environ: Mapping[str, str] | None = None,
    cache: StrPath | None = None,
    access: Access = "read-write",
) -> Path | None:
    """Return the cache directory; None if cloche would use a temporary one. The arguments are those of `create`.

    cloche creates it for the user alone. Everything in it may be deleted at any time; only environments that were created
    with the link mode `symlink` need it.

    :raises ClocheError: `cache` cannot be used.
    """
    from pathlib import Path

    with open_session(environ=environ, cache=cache, access=access) as session:
        found = session.store.root if session.store.is_persistent else ""
    log_warnings(session.warnings)
    return Path(found) if found else None


def clear_cache(
    *,
    environ: Mapping[str, str] | None = None,
    cache: StrPath | None = None,
    access: Access = "read-write",
) -> None:
    """Remove all files of the cache, as `cloche cache clear` does. The arguments are those of `create`.

    Environments that were created with the link mode `symlink` lose their packages; a warning names each of them.

    :raises ClocheError: the cache is read-only or cannot be used.
    """
    from cloche.store.maintenance import clear_store, linked_environments, loss_warnings

    with open_session(environ=environ, cache=cache, access=access) as session:
        log_warnings(loss_warnings(linked_environments(session.store)))
        clear_store(session.store)
    log_warnings(session.warnings)


class PythonSession(Session):
    """A session whose errors name arguments of the Python interface instead of options."""

    def __init__(
        self, host: Host, given: Iterable[object], *, cache: str | None, access: Access, blocklist: frozenset[str]
    ) -> None:
        """Prepare a session.

        :param given: the values of the arguments; errors quote them, and the values in those that are lists, unchanged.
        """
        super().__init__(host, cache=cache, access=access, blocklist=blocklist)
        self._given = [*given]
        for argument in [*self._given]:
            self._given += argument if isinstance(argument, (list, tuple)) else ()

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        error = raised[1]
        if isinstance(error, ClocheError):
            from cloche.api.spelling import spell_arguments

            spell_arguments(error, self._given)


def open_session(*, destination: object = None, **choices: Unpack[Choices]) -> Session:
    """Return a session with these arguments of `create`. The destination is not used.

    :raises TypeError, UsageError: an argument is not valid (see `check_choices`).
    """
    from cloche.plugins import blocked_names

    check_choices(choices)
    host = current_host(as_environ(choices.get("environ")))
    cache = choices.get("cache")
    return PythonSession(
        host,
        choices.values(),
        cache=None if cache in (None, "") else os.path.join(host.cwd, as_path("cache", cache)),
        access=choices.get("access", "read-write"),
        blocklist=blocked_names(host),
    )


def argument_warnings(host: Host, *, destination: object, **choices: Unpack[Choices]) -> list[str]:
    """Return a warning for each of these arguments of `create` that is likely to be a mistake."""
    return [*warnings_about(host, **choices)]


def log_warnings(warnings: Sequence[str]) -> None:
    """Send warnings to the logger `cloche`."""
    if warnings:
        import logging

        for text in spelled(warnings):
            logging.getLogger("cloche").warning("%s", text)


def spelled(warnings: Sequence[str]) -> tuple[str, ...]:
    """Return warnings with arguments of the Python interface instead of options."""
    if not warnings:
        return ()
    from cloche.api.spelling import with_arguments

    return tuple(map(with_arguments, warnings))
