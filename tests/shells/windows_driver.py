"""Fake environments and difficult names for the tests of the PowerShell, cmd and Python activators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloche.model.environment import Environment, Layout
from cloche.model.interpreter import Interpreter

if TYPE_CHECKING:
    from pathlib import Path

    from cloche.plugins.hookspecs import Activator

HOSTILE = {
    "plain": "env",
    "spaces": " a  b ",
    "single quotes": "it's ''",
    "double quote": 'say "hi"',
    "typographic quotes": "\u2018a\u2019 \u201ab\u201b \u201cc\u201d",
    "quote and command": "';Write-Output PWNED;'",
    "typographic quote and command": "\u2019;Write-Output PWNED;\u2019",
    "command substitution": "$(echo PWNED)",
    "backticks": "`echo PWNED`$",
    "variables": "$HOME ${HOME}$PWD $args",
    "braces": "{0}{1} @{a=1} @(1)",
    "percent": "100% %PATH% %~dp0 %%",
    "bang": "a!PATH!b!! ^!c^",
    "caret": "^a^^b^",
    "ampersand": "R&D & echo PWNED",
    "parentheses": "(x86) )(",
    "semicolons": ";a;b",
    "hash": "#a #b",
    "at": "@a,b=c",
    "tilde": "~a~1",
    "leading dash": "-n",
    "wildcards": "a[a]b]c[",
    "prompt codes": "$P$G$_$$",
    "letters": "Käse-日本-\U0001f40d",
    "slot": "__CLOCHE_ROOT__",
    "long": "x" * 200,
}
"""Names of directories and prompts that a careless script would expand, split or run; Windows allows nearly all of them."""

HOSTILE_POSIX = {
    **HOSTILE,
    "backslash": "a\\b\\\\c\\",
    "stars": "*?",
    "pipe and redirection": "a|b>PWNED<c",
    "newline": "a\nb\n",
    "carriage return": "a\rb",
    "tab": "a\tb",
}
"""The same, with names that only POSIX allows."""


def interpreter(os_name: str = "posix", tcl: str = "", tk: str = "") -> Interpreter:
    """Return a fake interpreter with the fields that activation scripts use."""
    return Interpreter(
        executable="C:\\Python\\python.exe" if os_name == "nt" else "/usr/bin/python3.11",
        implementation="cpython",
        version=(3, 11, 7, "final", 0),
        platform="win32" if os_name == "nt" else "linux",
        os_name=os_name,
        machine="x86_64",
        bits=64,
        free_threaded=False,
        debug=False,
        prefix="/usr",
        exec_prefix="/usr",
        stdlib="/usr/lib/python3.11",
        scheme={},
        cache_tag="cpython-311",
        magic="a70d0d0a",
        soabi="",
        library="",
        has_venv=True,
        tcl_library=tcl,
        tk_library=tk,
    )


def describe(
    root: str, prompt: str = "env", os_name: str = "posix", *, tcl: str = "", tk: str = "", site: str = ""
) -> Environment:
    """Return an environment as a plan would describe it; `site` is its site-packages, relative to the root."""
    if os_name == "nt":
        site = site or "Lib/site-packages"
        layout = Layout("Scripts", "Scripts/python.exe", ("python.exe",), site, site, "Include")
    else:
        site = site or "lib/python3.11/site-packages"
        layout = Layout("bin", "bin/python", ("python",), site, site, "include")
    return Environment(root, layout, os_name, prompt, interpreter(os_name, tcl, tk))


def write(activator: Activator, environment: Environment, directory: Path) -> None:
    """Write the scripts of an environment, byte for byte as the core does."""
    directory.mkdir(parents=True, exist_ok=True)
    for script in activator.scripts(environment):
        mark = b"\xef\xbb\xbf" if script.byte_order_mark else b""
        (directory / script.name).write_bytes(mark + script.text.replace("\n", script.newline).encode())


def slots_in_quotes(template: str, comment: str) -> list[str]:
    """Return the lines on which a slot follows an odd number of single or double quotes, or touches one."""
    wrong = []
    for line in template.splitlines():
        before, slot, after = line.partition("__CLOCHE_")
        while slot and not line.lstrip().startswith(comment):
            rest = after.partition("__")[2]
            if before.count('"') % 2 or before.count("'") % 2 or before[-1:] in ("'", '"') or rest[:1] in ("'", '"'):
                wrong.append(line)
            more, slot, after = rest.partition("__CLOCHE_")
            before += more
    return wrong
