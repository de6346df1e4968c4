"""Parse and rewrite the `command` in a `pyvenv.cfg`: the command that created the environment. It is never run.

A portable environment has `options` instead, without paths.

cloche quotes each word, see `cloche.shells.quote_word`; `venv` quotes nothing; other tools do not record a command.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from cloche.errors import UsageError
from cloche.fs import lines_of
from cloche.model.environment import as_read, as_written
from cloche.model.plan import EnvironmentSpec, LockRequest, Request, Target, Wanted
from cloche.model.value import replace
from cloche.planning.pyvenv_cfg import (
    COMMAND_KEY,
    LIST,
    OPTIONS_KEY,
    RECORDED_OPTIONS,
    VALUE,
    VALUES,
    is_portable,
    options_for,
    shorten_settings,
)
from cloche.shells import quote_words, split_words
from cloche.store.startup_code import parse_policy

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import Any

    from cloche.lifecycle.relocation import Relocation
    from cloche.model.aliases import Compile, LinkMode, StartupRule

VENV_COMMAND = re.compile(
    r" -m venv(?P<options>(?: --[\w-]+(?:=(?:\"[^\"]*\"|\S+))?)*) (?P<destination>/.*|[A-Za-z]:\\.*)$"
)
"""The command of `venv`: options, and the rest, which may contain spaces, is the destination."""


def parse_command(command: str) -> list[str]:
    """Return the words of a command of cloche; an empty list for the command of another tool."""
    words = split_words(command)
    from_module, from_archive = ["-m", "cloche", "--python"], ["--python"]  # `python cloche.pyz --python`
    return words if words[1:4] == from_module or words[2:3] == from_archive else []


def venv_options(command: str) -> list[str] | None:
    """Return the options in a command of `venv`; None for the command of another tool."""
    match = VENV_COMMAND.search(command)
    return match["options"].split() if match else None


def recorded_destination(command: str, location: str) -> str:
    """Return the environment that a command created, absolute; empty if the command does not name it.

    :param location: where the environment is now. It is returned if the command names a path that differs from it only
        in line breaks and in spaces at the ends, which `venv` and cloche 0.1 do not record.
    """
    words = parse_command(command)
    match = VENV_COMMAND.search(command)
    destination = words[-1] if words else match["destination"] if match else ""
    if on_one_line(destination) == on_one_line(location):
        return location
    return destination if destination.startswith("/") else ""


def on_one_line(text: str) -> str:
    return " ".join(text.splitlines()).strip()


def relocate_command(command: str, relocation: Relocation) -> str:
    """Return a command with every relocated path replaced."""
    words = parse_command(command)
    if not words:
        return relocation.string(command)
    moved = [relocation.string(word) for word in words]
    for old, new in relocation.roots:
        if on_one_line(words[-1]) == on_one_line(old):
            moved[-1] = new
    return command if moved == words else quote_words(moved, os.name)


def replace_interpreter(command: str, executable: str) -> str:
    """Return a command of cloche with another path after `--python`; any other command unchanged."""
    words = parse_command(command)
    if "--python" not in words[:-2]:
        return command
    words[words.index("--python") + 1] = executable
    return quote_words(words, os.name)


def recorded_request(command: str) -> Request | None:
    """Return the request that a command of cloche was recorded for, as far as it is recorded; None for another command.

    It is for the destination, and for the Python, that the command names. Options that this version does not record are
    ignored. The names and paths in it may no longer exist.
    """
    words = [as_read(word) for word in parse_command(command)]
    return request_with_options(words[words.index("--python") : -1], words[-1]) if len(words) >= 4 else None


def request_in(settings: Mapping[str, str]) -> Request | None:
    """Return the request that an environment was created for, as far as its `pyvenv.cfg` records it; None if it does not.

    That of a portable environment names no path: not the Python, the destination, a lock file, or `--find-links`.
    """
    if is_portable(settings) and OPTIONS_KEY in settings:
        return request_with_options(options_in(settings[OPTIONS_KEY]), "")
    return recorded_request(settings.get(COMMAND_KEY, ""))


def options_in(text: str) -> list[str]:
    """Return the words in the value of `options`."""
    return [as_read(word) for word in split_words(text)]


def request_with_options(words: Sequence[str], destination: str) -> Request:
    """Return the request that recorded options stand for."""
    found: list[tuple[str, str]] = []
    rest = iter(words)
    for word in rest:
        option, has_value, text = word.partition("=")
        if option in WITH_VALUE:
            found.append((option, text if has_value else next(rest, "")))
        else:
            found.append((word, ""))
    texts: dict[str, list[str]] = {}
    for option, text in found:
        texts.setdefault(option, []).append(text)
    parts: dict[str, dict[str, Any]] = {"spec": {}, "target": {}, "wanted": {}, "lock": {}}
    for option, part, field, kind in RECORDED_OPTIONS:
        if option in texts:
            last = texts[option][-1]
            several = texts[option] if kind is VALUES else filter(None, last.split(","))
            parts[part][field] = tuple(several) if kind in (VALUES, LIST) else last if kind is VALUE else kind
    lock = LockRequest(**parts["lock"]) if "--lock" in texts else None
    seeds = [text if option == "--seed" else f"pip=={text}" for option, text in found if option in ("--seed", "--pip")]
    if lock is None and not {"--no-pip", "--pip"} & texts.keys():
        seeds.insert(0, "pip")
    spec = EnvironmentSpec(
        pythons=tuple(texts.get("--python", ())),
        wanted=None if "--no-seed" in texts else Wanted(tuple(seeds), lock=lock, **parts["wanted"]),
        startup_rule=startup_rule_of(texts.get("--startup-code", ())),
        **parts["spec"],
    )
    return Request(spec, Target(destination, **parts["target"]))


WITH_VALUE = {
    *(option for option, *_, kind in RECORDED_OPTIONS if kind in (VALUE, VALUES, LIST)),
    *("--python", "--pip", "--seed", "--startup-code"),
}
"""The recorded options that have a value."""


def startup_rule_of(words: Sequence[str]) -> StartupRule:
    """Return the rule that the values of `--startup-code` mean; the default for values that are not valid."""
    try:
        return parse_policy(words) if words else ("list", ())
    except UsageError:
        return "list", ()


def recorded_lock(settings: Mapping[str, str]) -> Wanted | None:
    """Return the lock file that an environment was created from, and what is installed from it; None without one.

    The lock file may no longer exist.
    """
    request = request_in(settings) if "lock" in settings else None
    return request.spec.wanted if request and request.spec.wanted and request.spec.wanted.lock else None


def recorded_compile_policy(settings: Mapping[str, str]) -> Compile:
    """Return when the packages of an environment are compiled to bytecode, according to the command that created it."""
    request = request_in(settings)
    return request.spec.wanted.compile if request and request.spec.wanted else "auto"


def has_find_links(settings: Mapping[str, str]) -> bool:
    """Return whether an environment was created with wheels from directories that the user named."""
    request = request_in(settings)
    return bool(request and request.spec.wanted and request.spec.wanted.find_links)


def recorded_find_links(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Return the directories with wheels that an environment was created from, as far as they exist."""
    request = request_in(settings)
    directories = request.spec.wanted.find_links if request and request.spec.wanted else ()
    return tuple(path for path in directories if os.path.isabs(path) and os.path.isdir(path))


def seeds_like(settings: Mapping[str, str], requirements: Sequence[str]) -> Wanted:
    """Return the request for seeds that an environment gets later, with what it was created to do with its own."""
    return Wanted(
        tuple(requirements),
        find_links=recorded_find_links(settings),
        dependencies="omitted",
        compile=recorded_compile_policy(settings),
    )


def recorded_pin(settings: Mapping[str, str], name: str) -> str:
    """Return the requirement `NAME==VERSION` of a seed that an environment was created with; empty if any version would do."""
    request = request_in(settings)
    requirements = request.spec.wanted.requirements if request and request.spec.wanted else ()
    return next((requirement for requirement in requirements if requirement.startswith(f"{name}==")), "")


def recorded_link_mode(settings: Mapping[str, str]) -> LinkMode:
    """Return how the packages of an environment get their files, according to the command that created it."""
    request = request_in(settings)
    link_mode = request.target.link_mode if request else "auto"
    return link_mode if link_mode in ("clone", "hardlink", "copy", "symlink") else "auto"  # users can edit the file


def recorded_startup_rule(settings: Mapping[str, str]) -> StartupRule:
    """Return what an environment was created to do with packages that have startup code."""
    request = request_in(settings)
    return request.spec.startup_rule if request else ("list", ())


def with_recorded_packages(text: str, old: Mapping[str, str], renewed: Collection[str]) -> str:
    """Return the `pyvenv.cfg` of an environment that replaces another, with the packages that are recorded in that one.

    The new environment may get them in another way, but a command that creates it again has to name them.

    :param old: the settings of the replaced environment.
    :param renewed: the packages of which the new environment may have newer versions.
    """
    before = request_in(old)
    lines = []
    for line in lines_of(text):
        key, separator, setting = line.partition("=")
        if separator and key.strip() == COMMAND_KEY:
            line = f"{key}= {command_with_packages_of(before, setting.strip(), renewed)}\n"
        elif separator and key.strip() == OPTIONS_KEY and before is not None:
            options = options_with_packages_of(before, request_with_options(options_in(setting), ""), renewed)
            line = f"{key}= {quote_words(map(as_written, options), os.name)}\n"
        lines.append(line)
    return shorten_settings("".join(lines))


def command_with_packages_of(before: Request | None, command: str, renewed: Collection[str]) -> str:
    """Return a command of cloche with the options for packages of another request; see `options_with_packages_of`.

    Any other command is not changed.
    """
    after = recorded_request(command)
    if before is None or after is None:
        return command
    words = parse_command(command)
    start = words[: words.index("--python") + 2]
    options = options_with_packages_of(before, after, renewed)
    return quote_words([*start, *map(as_written, options), words[-1]], os.name)


def options_with_packages_of(before: Request, after: Request, renewed: Collection[str]) -> Iterator[str]:
    """Return the options of a request with what an older one says about packages: which they are, and where they are found.

    What a lock file installs is not changed.

    :param renewed: packages that need not have the version that the older request names.
    """
    spec, wanted = after.spec, before.spec.wanted
    if wanted is None or wanted.lock is None:
        if wanted is not None:
            names = [text.partition("==")[0] for text in wanted.requirements]
            pairs = zip(names, wanted.requirements, strict=True)
            wanted = replace(wanted, requirements=tuple(name if name in renewed else text for name, text in pairs))
        spec = replace(spec, wanted=wanted, seeder=before.spec.seeder)
    return options_for(spec, replace(after.target, extra_packages=before.target.extra_packages))


def lock_command(settings: Mapping[str, str], location: str) -> str:
    """Return the command that brings a locked environment into line with its lock file; empty if that does not exist.

    It leaves out the options that the environment keeps without them.
    """
    wanted = recorded_lock(settings)
    request = request_in(settings)
    if request is None or wanted is None or wanted.lock is None or not os.path.isfile(wanted.lock.path):
        return ""
    spec = replace(request.spec, creator=None, site_packages="isolated")
    target = replace(request.target, prompt=None, placement="fixed", vcs_ignore=True)
    return quote_words(["cloche", location, "-p", *spec.pythons, *options_for(spec, target)], os.name)
