"""`pyvenv.cfg` (PEP 405): the settings that cloche records in it, and its format. The file itself is not read or written here.

Each setting is one line in UTF-8. `prompt` is written as a Python literal, as `venv` does, and `command` as words of a
shell, so both can express any text. Any other value that does not fit on a line is refused, see `find_value_problem`.
"""

from __future__ import annotations

import sys

from cloche.errors import UsageError
from cloche.fs import is_unicode, lines_of
from cloche.fs.manifests import sha256_of
from cloche.model import VERSION
from cloche.model.environment import as_written, locale_encoding, recode
from cloche.model.interpreter import path_module
from cloche.model.options import PORTABLE_OPTIONS
from cloche.model.value import TYPE_CHECKING, replace
from cloche.shells import quote_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cloche.model.distribution import Image
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Host, Interpreter
    from cloche.model.plan import Blueprint, EnvironmentSpec, Target, Wanted

MAX_BYTES = 32 * 1024 - 1
"""The maximum size of the file: Python 3.11 and later do not start with a larger one (`getpath_readlines`).

Older versions, PyPy and the Windows launchers read only the first 4 to 16 KiB, in which they look for `home`. It is
therefore the first setting.
"""

BASE_KEYS = ("base-prefix", "base-exec-prefix", "base-executable")
"""The keys that other tools read, but not Python itself."""

PATHS = frozenset({"home", "executable", *BASE_KEYS})
"""The keys whose values are paths of the base interpreter. Python opens them in its file-system encoding."""

ADDED_KEY = "added-to-directory"
"""The key that marks an environment which was added to a directory with other files in it."""

PORTABLE_KEY = "portable"
"""The key that marks an environment which contains its interpreter."""

COMMAND_KEY = "command"
"""The key of the command that creates the environment again."""

OPTIONS_KEY = "options"
"""The key that a portable environment has instead: the options of that command that name no path of the machine."""

RECORD_KEYS = (COMMAND_KEY, OPTIONS_KEY)
"""The keys that say how an environment was created. Python does not need them."""

OWN_KEYS = PATHS | {
    *("implementation", "python-version", "version_info", "version", "cloche", "prompt", *RECORD_KEYS),
    *("include-system-site-packages", "relocatable", "lock", PORTABLE_KEY, ADDED_KEY),
    *(option.name for option in PORTABLE_OPTIONS),
}
"""The keys that cloche writes; those of other programs are kept."""


def is_portable(settings: Mapping[str, str]) -> bool:
    """Return whether a `pyvenv.cfg` is that of an environment which contains its interpreter: one without `home`.

    CPython then finds its prefix as if there were no such file, but leaves out the packages in the user's home directory.
    """
    return (
        not settings.get("home")
        and "include-system-site-packages" in settings
        and bool(settings.get("version_info") or settings.get("version"))
    )


def is_relocatable(settings: Mapping[str, str]) -> bool:
    """Return whether a `pyvenv.cfg` marks the environment as relocatable; cloche and uv write this setting."""
    return settings.get("relocatable", "").lower() == "true"


def sees_system_packages(settings: Mapping[str, str]) -> bool:
    """Return whether an environment with this `pyvenv.cfg` sees the packages of its base interpreter, as `site` reads it."""
    return settings.get("include-system-site-packages", "").lower() == "true"


def settings_of_others(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the settings in a `pyvenv.cfg` that other programs wrote, as far as the file can express them."""
    return {key: text for key, text in settings.items() if key not in OWN_KEYS and not find_value_problem(text)}


def portable_options(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the options that a portable environment was created with; none for any other environment."""
    return {
        option.name: settings[option.name]
        for option in PORTABLE_OPTIONS
        if option.name in settings and is_portable(settings)
    }


def settings_for(
    target: Target, blueprint: Blueprint, environment: Environment, host: Host, *, added_to_directory: bool
) -> dict[str, str]:
    """Return the settings of a new environment: PEP 405's keys, and those that other tools rely on.

    Those of a portable environment contain no path outside it.
    """
    interpreter = blueprint.interpreter
    implementations = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalVM"}
    described = interpreter_settings(interpreter)
    bases = {key: described.pop(key) for key in BASE_KEYS}
    words = (recorded_options if blueprint.runtime else command_for)(target, blueprint, environment, host)
    settings = {
        "home": described.pop("home"),
        "implementation": implementations.get(interpreter.implementation, interpreter.implementation),
        **described,
        OPTIONS_KEY if blueprint.runtime else COMMAND_KEY: quote_words(map(as_written, words), host.os_name),
        "cloche": VERSION,
    }
    if blueprint.runtime:
        for key in ("home", "executable"):
            del settings[key]
    if environment.naming == "chosen":
        settings["prompt"] = environment.prompt
    settings["include-system-site-packages"] = "true" if blueprint.spec.site_packages == "system" else "false"
    if environment.placement == "relocatable":
        settings["relocatable"] = "true"  # uv uses the same key
    if blueprint.is_locked:
        settings["lock"] = f"sha256:{lock_digest(blueprint.images)}"
    if blueprint.runtime:
        settings[PORTABLE_KEY] = "true"
        chosen = blueprint.layout.options.items()
        settings.update((name, "true" if setting is True else str(setting)) for name, setting in chosen if setting)
    else:
        settings.update(bases)
    if added_to_directory:
        settings[ADDED_KEY] = "true"
    return {**settings, **{key: text for key, text in target.extra_settings.items() if key not in settings}}


def interpreter_settings(interpreter: Interpreter) -> dict[str, str]:
    """Return the settings that describe a base interpreter; symbolic links are followed to find its real executable."""
    paths = path_module(interpreter.os_name)
    return {
        "home": paths.dirname(interpreter.executable),
        "python-version": interpreter.python_version,
        "version_info": ".".join(str(part) for part in interpreter.version),
        "version": ".".join(str(part) for part in interpreter.version[:3]),
        "executable": paths.realpath(interpreter.executable),
        "base-prefix": interpreter.prefix,
        "base-exec-prefix": interpreter.exec_prefix,
        "base-executable": interpreter.executable,
    }


def lock_digest(images: Iterable[Image]) -> str:
    """Return a hash of what a lock file selects for an environment: versions, contents, and where they come from.

    It does not change with parts of the lock file that concern other environments.
    """
    lines = [
        repr((image.distribution, image.version, image.root.rpartition("-")[2], image.metadata, image.left_out))
        for image in images
    ]
    return sha256_of("\n".join(sorted(lines)).encode())


def command_for(target: Target, blueprint: Blueprint, environment: Environment, host: Host) -> list[str]:
    """Return the words of a command that creates the same environment again; people can paste it into a shell.

    It has the options in `RECORDED_OPTIONS`. It leaves out the options of plugins, which may no longer be installed, those
    for the cache and the network, which depend on the machine, and those for the search, because it names the Python.
    """
    archive = getattr(globals().get("__loader__"), "archive", "")  # set if cloche runs from a zip archive
    words = [host.executable, *([path_module(host.os_name).join(host.cwd, archive)] if archive else ["-m", "cloche"])]
    words += ["--python", blueprint.interpreter.executable]
    return [*words, *recorded_options(target, blueprint, environment, host), environment.location]


def recorded_options(target: Target, blueprint: Blueprint, environment: Environment, host: Host) -> list[str]:
    """Return the options in `RECORDED_OPTIONS` that create the same environment again, as words.

    Those of a portable environment name no path, because it may be copied to another machine.
    """
    wanted = blueprint.spec.wanted if blueprint.seeder else None
    if wanted and blueprint.runtime:
        wanted = replace(wanted, lock=None, find_links=())
    seeder = blueprint.spec.seeder and blueprint.seeder
    decided = replace(blueprint.spec, creator=blueprint.creator, seeder=seeder, wanted=wanted)
    prompt = environment.prompt if environment.naming == "chosen" else None
    return [*options_for(decided, replace(target, prompt=prompt, placement=environment.placement))]


VALUE, VALUES, LIST = object(), object(), object()
"""What an option in `RECORDED_OPTIONS` has: one value; one each time that it is given; one that is a list with commas."""

RECORDED_OPTIONS: tuple[tuple[str, str, str, object], ...] = (
    ("--creator", "spec", "creator", VALUE),
    ("--system-site-packages", "spec", "site_packages", "system"),
    ("--seeder", "spec", "seeder", VALUE),
    ("--link-mode", "target", "link_mode", VALUE),
    ("--lock", "lock", "path", VALUE),
    ("--extra", "lock", "extras", VALUES),
    ("--group", "lock", "groups", VALUES),
    ("--no-default-groups", "lock", "default_groups", "excluded"),
    ("--only-binary", "wanted", "builds", "refused"),
    ("--keep-extra", "target", "extra_packages", "kept"),
    ("--no-deps", "wanted", "dependencies", "omitted"),
    ("--compile", "wanted", "compile", "now"),
    ("--no-compile", "wanted", "compile", "never"),
    ("--find-links", "wanted", "find_links", VALUES),
    ("--prompt", "target", "prompt", VALUE),
    ("--activators", "spec", "activators", LIST),
    ("--no-vcs-ignore", "target", "vcs_ignore", False),
    ("--relocatable", "target", "placement", "relocatable"),
)
"""The options that `command` records, each with the part and the field of the request that it sets, and its values.

An option that is a flag has the value of the field for which it stands. The other recorded options, those that name packages
and `--startup-code`, do not stand for one field; `options_for` writes them, and `cloche.lifecycle.recorded_command` reads them.
"""

REFUSED_WITHOUT_LOCK = frozenset(("--only-binary", "--keep-extra"))
"""The recorded options that are refused without `--lock`, although they set no field of the lock."""


def options_for(spec: EnvironmentSpec, target: Target) -> Iterator[str]:
    """Yield the command-line options that request this environment, as far as they are recorded."""
    wanted = spec.wanted
    parts = {"spec": spec, "target": target, "wanted": wanted, "lock": wanted.lock if wanted else None}
    for option, part, field, kind in RECORDED_OPTIONS:
        owner = parts[part]
        if owner is None or (option in REFUSED_WITHOUT_LOCK and parts["lock"] is None):
            continue
        found = getattr(owner, field)
        if kind is VALUES:
            for text in found:
                yield from option_words(option, text)
        elif kind not in (VALUE, LIST):
            if found == kind:
                yield option
        elif found != getattr(type(owner), field, None):  # its default
            yield from option_words(option, ",".join(found) if kind is LIST else found)
    yield from seed_options(wanted)
    policy, packages = spec.startup_rule
    if policy != "list":
        for name in packages or (policy,):
            yield from option_words("--startup-code", name)


def option_words(option: str, text: str) -> tuple[str, ...]:
    """Return an option with its value, in one word if the value looks like an option."""
    return (f"{option}={text}",) if text.startswith("-") else (option, text)


def seed_options(wanted: Wanted | None) -> Iterator[str]:
    """Yield the command-line options that request these packages; without any, pip is requested if there is no lock file."""
    if wanted is None:
        yield "--no-seed"
        return
    if wanted.lock is None and not any(text == "pip" or text.startswith("pip==") for text in wanted.requirements):
        yield "--no-pip"
    for requirement in wanted.requirements:
        if requirement.startswith("pip=="):
            yield from ("--pip", requirement.removeprefix("pip=="))
        elif requirement != "pip" or wanted.lock is not None:
            yield from option_words("--seed", requirement)


def find_value_problem(text: str) -> str:
    """Return why a line of the file cannot hold this value, phrased to follow it; empty if it can.

    Python's `site` also ends a line at a carriage return, and decodes the whole file as UTF-8. All readers strip values.
    """
    if "\n" in text or "\r" in text:
        return "contains a line break"
    if "\0" in text:
        return "contains a NUL character"
    if not is_unicode(text):
        return "is not valid UTF-8"
    return "" if text == text.strip() else "begins or ends with white space"


def format_settings(settings: Mapping[str, str]) -> str:
    """Return the text of a `pyvenv.cfg` with these settings, in this order.

    The keys in `RECORD_KEYS` are left out if the file would be too large with them.

    :raises UsageError: a line cannot hold a value, or the file would be too large for Python.
    """
    lines = {}
    for key, text in with_paths_as_written(settings).items():
        written = repr(text) if key == "prompt" else text
        if problem := find_value_problem(written):
            raise UsageError(
                f"`pyvenv.cfg` cannot record `{text}` as `{key}`, because it {problem}",
                hint="use another path or value",
            )
        lines[key] = f"{key} = {written}\n"
    if encoded_size(lines) > MAX_BYTES:
        lines = {key: line for key, line in lines.items() if key not in RECORD_KEYS}
    if (size := encoded_size(lines)) > MAX_BYTES:
        longest = max(lines, key=lambda key: len(lines[key]))
        raise UsageError(
            f"`pyvenv.cfg` would have {size} bytes, but Python reads at most {MAX_BYTES}",
            hint=f"use a shorter `{longest}`",
        )
    return "".join(lines.values())


def with_paths_as_written(settings: Mapping[str, str]) -> Mapping[str, str]:
    """Return the settings with each path as the text that the Python of the environment reads."""
    return _recode_paths(settings, sys.getfilesystemencoding(), None)


def _recode_paths(settings: Mapping[str, str], old: str | None, new: str | None) -> Mapping[str, str]:
    """Return the settings with other text for the same paths; None is the encoding of the environment's Python."""
    paths = {key: settings[key] for key in PATHS.intersection(settings)}
    if all(map(str.isascii, paths.values())):
        return settings
    encoding = path_encoding(settings)
    try:
        return {**settings, **{key: recode(text, old or encoding, new or encoding) for key, text in paths.items()}}
    except UnicodeError:  # written in another locale
        return settings


def path_encoding(settings: Mapping[str, str]) -> str:
    """Return the encoding in which the Python of an environment opens paths.

    From 3.15 on, it is UTF-8 in every locale (PEP 686).
    """
    version = (settings.get("version_info") or settings.get("version") or "").split(".")[:2]
    if len(version) == 2 and all(map(str.isdecimal, version)) and tuple(map(int, version)) >= (3, 15):
        return "utf-8"
    return locale_encoding()


def encoded_size(lines: Mapping[str, str]) -> int:
    return len("".join(lines.values()).encode("utf-8"))


def shorten_settings(text: str) -> str:
    """Return the text of a `pyvenv.cfg`; if Python would not read it because of its size, without the keys in `RECORD_KEYS`."""
    if len(text.encode("utf-8", "surrogateescape")) <= MAX_BYTES:
        return text
    return "".join(line for line in lines_of(text) if line.partition("=")[0].strip().lower() not in RECORD_KEYS)


def parse_settings(text: str) -> dict[str, str]:
    """Return the settings in the text of a `pyvenv.cfg` of any tool, by lower-case key.

    The first of two lines with the same key wins, and lines without `=` are ignored, as in CPython's `site` and `getpath`.
    Quotes around the prompt are removed.
    """
    settings: dict[str, str] = {}
    for line in text.removeprefix("\ufeff").split("\n"):
        key, found, setting = line.partition("=")
        key, setting = key.strip().lower(), setting.strip()
        if found and key and not key.startswith("#"):
            settings.setdefault(key, unquote_prompt(setting) if key == "prompt" else setting)
    return dict(_recode_paths(settings, None, sys.getfilesystemencoding()))


def unquote_prompt(text: str) -> str:
    """Return a prompt without its quotes: `venv` writes a Python literal, `virtualenv` plain quotes, `uv` none."""
    if len(text) < 2 or text[0] not in "'\"" or text[-1] != text[0]:
        return text
    if "\\" in text:
        from ast import literal_eval  # slow to import, and rarely needed

        try:
            return str(literal_eval(text))
        except (ValueError, SyntaxError):
            pass
    return text[1:-1]
