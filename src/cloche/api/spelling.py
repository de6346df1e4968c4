"""Spell the options that a message names as arguments of `cloche.create`.

The messages below this package name options as the command line has them, between backticks: `--clear`, `-p`,
`--creator venv`. Other text in backticks is left as it is, commands (`cloche doctor --fix venv`) included.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from cloche.errors import ClocheError

ARGUMENTS: Mapping[str, str] = {
    "python": 'python="SPEC"',
    "try-first-with": 'try_first_with=["EXE"]',
    "no-finder": 'no_finders=["NAME"]',
    "creator": 'creator="NAME"',
    "seeder": 'seeder="NAME"',
    "activators": 'activators=["NAMES"]',
    "clear": 'existing="replace"',
    "force": 'existing="replace-anything"',
    "system-site-packages": 'site_packages="system"',
    "prompt": 'prompt="TEXT"',
    "relocatable": "relocatable=True",
    "no-vcs-ignore": "vcs_ignore=False",
    "lock": 'lock="FILE"',
    "extra": 'extras=["NAME"]',
    "group": 'groups=["NAME"]',
    "no-default-groups": 'default_groups="excluded"',
    "only-binary": 'builds="refused"',
    "keep-extra": 'extra_packages="kept"',
    "no-seed": "seeds=None",
    "pip": 'seeds=["pip==VERSION"]',
    "seed": 'seeds=["pip", "REQUIREMENT"]',
    "no-deps": 'dependencies="omitted"',
    "download": 'network="newest"',
    "no-download": 'network="never"',
    "compile": 'compile="now"',
    "no-compile": 'compile="never"',
    "find-links": 'find_links=["DIR"]',
    "startup-code": 'startup_code=["POLICY"]',
    "link-mode": 'link_mode="MODE"',
    "stdlib": 'options={"stdlib": "PART"}',
    "carry-libraries": 'options={"carry-libraries": True}',
    "cache-dir": 'cache="DIR"',
    "read-only-cache": 'access="read-only"',
}
"""The argument with the effect of an option, by the name of the option. A word in capital letters stands for its value."""

OTHERS: Mapping[str, str] = {
    "p": 'python="SPEC"',
    "no-plugin": "CLOCHE_DISABLE_PLUGINS=NAME",
    "no-plugins": "CLOCHE_DISABLE_PLUGINS=*",
    "traceback": "__cause__",
}
"""What has the effect of an option that messages name and that is not in `ARGUMENTS`: a variable, a part of the error."""

OPTION = re.compile(r"(?:-(p)|--([a-z][a-z-]*))(?: (.+))?", re.DOTALL)
PLACEHOLDER = re.compile(r"\b[A-Z]{3,}\b")
WHOLE_VALUE = re.compile(r'(?<!=)=\[?"?[A-Z]+"?\]?$')
"""A value that is only a placeholder; without it, the name of the argument says enough."""


def spell_arguments(error: ClocheError, given: Container[object] = ()) -> None:
    """Replace the options in the message and in the hint of an error; the hint never quotes those of another program.

    :param given: values of the caller, which a message quotes unchanged (`unknown creator` and the name).
    """
    if error.names_options:
        error.message = with_arguments(error.message, given)
    error.hint = error.hint and with_arguments(error.hint, given)
    error.args = (error.message, *error.args[1:])


def with_arguments(text: str, given: Container[object] = ()) -> str:
    """Return a message with arguments instead of options."""
    return re.sub(
        "`(-[^`]+)`", lambda quoted: quoted[0] if quoted[1] in given else f"`{argument_for(quoted[1])}`", text
    )


def argument_for(text: str) -> str:
    """Return the argument for an option, or for several (`--clear --force`); other text is returned unchanged."""
    match = OPTION.fullmatch(text)
    name, value = (match[1] or match[2], match[3]) if match else ("", None)
    argument = ARGUMENTS.get(name) or OTHERS.get(name)
    if not argument:
        return text
    if not PLACEHOLDER.search(argument):
        if not value:
            return argument
        stronger = argument_for(value)  # `--force`, which includes `--clear`
        return text if stronger == value else stronger
    if not value:
        return WHOLE_VALUE.sub("", argument)
    escaped = value.replace("\\", r"\\").replace('"', r"\"")
    return PLACEHOLDER.sub(lambda _: escaped.replace(f" --{name} ", '", "'), argument)
