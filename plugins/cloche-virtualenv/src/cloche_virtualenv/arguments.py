"""The command line of virtualenv, its `VIRTUALENV_*` variables and its `virtualenv.ini`, as a request to cloche.

It decides what was asked for and looks for nothing: neither interpreters nor what stands at the destination.
"""

from __future__ import annotations

import configparser
import os
from typing import TYPE_CHECKING

from cloche.cli.commands import COMMANDS, COMMON, CREATE, INEFFECTIVE, VIRTUALENV
from cloche.cli.parser import parse_arguments
from cloche.cli.request import request_of
from cloche.cli.settings import OPPOSITES, Setting, Settings, enter_setting, parse_values
from cloche.errors import UsageError
from cloche.model.value import replace, value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cloche.model.interpreter import Host
    from cloche.model.options import Option
    from cloche.model.request import Request

PREFIX = "VIRTUALENV_"

ONLY_CREATE = {"create": COMMANDS["create"]}
"""There is one command: no destination is taken for the name of another."""


@value
class Asked:
    """What a command line of virtualenv asks for."""

    request: Request | None
    """None if it asks for help or for the version alone."""
    instead: str
    """`help` or `version` if one of them is asked for; else empty."""
    verbosity: int
    """As virtualenv counts it: 2, more for each `-v`, less for each `-q`."""
    with_traceback: bool
    cache: str | None
    """Directory of the store; None for the user's own."""
    read_only_cache: bool
    notes: tuple[str, ...] = ()
    """What was taken and has no effect, a line each."""


def interpret(arguments: Sequence[str], host: Host, extra_settings: Mapping[str, str]) -> Asked:
    """Return what the arguments, and where they are silent the variables and the ini file, ask for.

    :param extra_settings: what `pyvenv.cfg` is to say besides cloche's own keys.
    :raises UsageError: they make no sense.
    """
    words = parse_arguments(["create", *arguments], ONLY_CREATE)
    words.check()
    chosen = {name: Setting(values, "command line") for name, values in words.given.items()}
    known = {option.name: option for option in (*COMMON, *CREATE, *VIRTUALENV)}
    for origin, said in (("environment", variables(host, known)), ("ini", ini(host))):
        before = frozenset(chosen)
        for name, text in said:
            option = known.get(name)
            if option is None or name in before or OPPOSITES.get(name) in before or not text.strip():
                continue
            values = parse_values(option, text, f"`{name}` in the {origin}")
            if option.kind != "flag" or values[-1] == "true":
                enter_setting(chosen, option, Setting(values, origin), before)
    settings = Settings(chosen)
    instead = "help" if words.flag("help") else "version" if words.flag("version") else ""
    request = None
    if not instead:
        request = request_of(words.operands[0], settings, host)
        request = replace(request, consult="nothing", extra_settings=dict(extra_settings))
    directory = settings.last("cache-dir") or host.environ.get("VIRTUALENV_OVERRIDE_APP_DATA", "").strip()
    return Asked(
        request,
        instead,
        verbosity=max(2 + len(settings.all("verbose")) - len(settings.all("quiet")), 0),
        with_traceback=settings.flag("traceback"),
        cache=os.path.join(host.cwd, directory) if directory else None,
        read_only_cache=settings.flag("read-only-cache"),
        notes=tuple(f"`--{name}` was taken and has no effect" for name in sorted(INEFFECTIVE & chosen.keys())),
    )


def variables(host: Host, known: Mapping[str, Option]) -> Iterator[tuple[str, str]]:
    """Yield what `VIRTUALENV_*` variables say; those that name no option are other programs' affair."""
    for variable, text in sorted(host.environ.items()):
        name = variable.removeprefix(PREFIX).lower().replace("_", "-")
        if variable.startswith(PREFIX) and name in known:
            yield name, text


def ini(host: Host) -> Iterator[tuple[str, str]]:
    """Yield what the section `[virtualenv]` of the ini file says, if there is one that can be read."""
    path = host.environ.get("VIRTUALENV_CONFIG_FILE")
    if path is None:
        import platformdirs

        path = os.path.join(platformdirs.user_config_dir("virtualenv", "pypa"), "virtualenv.ini")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise UsageError(f"`{path}` cannot be read: {str(error).splitlines()[0]}") from None
    if parser.has_section("virtualenv"):
        for name, text in parser.items("virtualenv"):
            yield name.replace("_", "-"), text.strip()
