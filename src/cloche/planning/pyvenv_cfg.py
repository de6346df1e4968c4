"""`pyvenv.cfg` (PEP 405): the settings that cloche records in it, and its format. No file is read or written here.

Each setting is one line. Line breaks in a value are written as spaces, except in `prompt`, which is written as a Python
literal, as `venv` does, and read back exactly.
"""

from __future__ import annotations

from cloche.model import VERSION
from cloche.model.interpreter import path_module
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cloche.model.environment import Environment
    from cloche.model.interpreter import Host
    from cloche.model.plan import Blueprint, Target, Wanted

NAME = "pyvenv.cfg"

ADDED_KEY = "added-to-directory"
"""The key that marks an environment which was added to a directory with other files in it."""


def settings_for(
    target: Target, blueprint: Blueprint, environment: Environment, host: Host, *, added_to_directory: bool
) -> dict[str, str]:
    """Return the settings of a new environment: PEP 405's keys, and those that other tools rely on."""
    interpreter = blueprint.interpreter
    implementations = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalVM"}
    separator = "\\" if interpreter.os_name == "nt" else "/"
    settings = {
        "home": interpreter.executable.rpartition(separator)[0],
        "implementation": implementations.get(interpreter.implementation, interpreter.implementation),
        "python-version": interpreter.python_version,
        "version_info": ".".join(str(part) for part in interpreter.version),
        "version": ".".join(str(part) for part in interpreter.version[:3]),
        "executable": path_module(interpreter.os_name).realpath(interpreter.executable),
        "command": command_for(target, blueprint, environment, host),
        "cloche": VERSION,
    }
    if target.prompt is not None:
        settings["prompt"] = environment.prompt
    settings["include-system-site-packages"] = "true" if blueprint.spec.site_packages == "system" else "false"
    if environment.placement == "relocatable":
        settings["relocatable"] = "true"  # uv uses the same key
    settings["base-prefix"] = interpreter.prefix
    settings["base-exec-prefix"] = interpreter.exec_prefix
    settings["base-executable"] = interpreter.executable
    if added_to_directory:
        settings[ADDED_KEY] = "true"
    return {**settings, **{key: text for key, text in target.extra_settings.items() if key not in settings}}


def command_for(target: Target, blueprint: Blueprint, environment: Environment, host: Host) -> str:
    """Return a command that creates the same environment again; people can paste it into a shell.

    It leaves out the options for the cache and the network, and those of plugins.
    """
    archive = getattr(globals().get("__loader__"), "archive", "")  # set if cloche runs from a zip archive
    words = [host.executable, *([path_module(host.os_name).join(host.cwd, archive)] if archive else ["-m", "cloche"])]
    words += ["--python", blueprint.interpreter.executable, "--creator", blueprint.creator]
    if blueprint.spec.site_packages == "system":
        words.append("--system-site-packages")
    words += seed_options(blueprint.spec.wanted if blueprint.seeder else None)
    if target.prompt is not None:
        words += ["--prompt", environment.prompt]
    if blueprint.spec.activators is not None:
        words += ["--activators", ",".join(blueprint.spec.activators)]
    if not target.vcs_ignore:
        words.append("--no-vcs-ignore")
    if environment.placement == "relocatable":
        words.append("--relocatable")
    return " ".join(quote_word(word, host) for word in [*words, environment.location])


def seed_options(wanted: Wanted | None) -> Iterator[str]:
    """Yield the command-line options that request these seeds."""
    if wanted is None:
        yield "--no-seed"
        return
    if not any(requirement == "pip" or requirement.startswith("pip==") for requirement in wanted.requirements):
        yield "--no-pip"
    for requirement in wanted.requirements:
        if requirement.startswith("pip=="):
            yield from ("--pip", requirement.removeprefix("pip=="))
        elif requirement != "pip":
            yield from ("--seed", requirement)
    for directory in wanted.find_links:
        yield from ("--find-links", directory)


UNQUOTED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-")
"""The characters that need no quotes in a POSIX shell."""


def quote_word(word: str, host: Host) -> str:
    """Return a word as it is typed in a POSIX shell, or on Windows in `cmd` and PowerShell.

    `shlex.quote` would do for POSIX, but importing it takes too long for every run.
    """
    if word and UNQUOTED.issuperset(word.replace("\\", "") if host.os_name == "nt" else word):
        return word
    if host.os_name != "nt" and any("\ud800" <= character <= "\udfff" for character in word):  # not valid UTF-8
        return "\"$(printf '" + "".join(f"\\{byte:03o}" for byte in word.encode("utf-8", "surrogateescape")) + "')\""
    return f'"{word}"' if host.os_name == "nt" else "'" + word.replace("'", "'\"'\"'") + "'"


def format_settings(settings: Mapping[str, str]) -> str:
    """Return the text of a `pyvenv.cfg` with these settings, in this order."""
    return "".join(f"{key} = {repr(text) if key == 'prompt' else join_lines(text)}\n" for key, text in settings.items())


def join_lines(text: str) -> str:
    """Return a text on one line: each line break that any reader recognizes becomes a space."""
    return " ".join(text.splitlines()).strip()


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
    return settings


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
