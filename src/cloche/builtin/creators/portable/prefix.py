"""The prefix of an interpreter in text: the build-time variables, the Makefile and the files of pkg-config.

The prefix of a system, `/usr`, contains more than Python, so only paths of Python itself are replaced there.
"""

from __future__ import annotations

import ast
import os
import re
from typing import TYPE_CHECKING

from cloche.model.value import Value

if TYPE_CHECKING:
    from cloche.model.interpreter import Interpreter

PLACEHOLDER = "@portable@"

DATA = '''\
"""The build-time variables of this Python. Paths are those of the environment, wherever it is."""

import sys

build_time_vars = {{
{variables}}}


def _relocate():
    prefix = sys.base_prefix
    quoted = "".join(c if c.isalnum() or c in "@%+=:,./-_~" or c > "\\x7f" else "\\\\" + c for c in prefix)
    for name, text in build_time_vars.items():
        if isinstance(text, str) and "{placeholder}" in text:
            is_path = text.startswith("{placeholder}") and " " not in text
            build_time_vars[name] = text.replace("{placeholder}", prefix if is_path else quoted)


_relocate()
'''
"""The module that `sysconfig` reads; paths in flags are quoted for a shell, because their readers split them as a shell does."""


class Prefix(Value):
    """The directories that an interpreter was built and installed in, and how to recognize them in text."""

    recorded: tuple[str, ...]
    """The prefixes: where it is now, and the one that it was built for."""
    build: tuple[str, ...]
    """Directories that only existed while it was built."""
    python: str
    """`python3.12`."""
    multiarch: str
    """Debian's name of the platform, `x86_64-linux-gnu`; may be empty."""

    @classmethod
    def of(cls, interpreter: Interpreter) -> Prefix:
        variables = recorded_variables(interpreter.stdlib)
        build = {text for key in ("abs_builddir", "abs_srcdir") if (text := str(variables.get(key) or ""))}
        recorded = dict.fromkeys((interpreter.prefix, str(variables.get("prefix") or interpreter.prefix)))
        return cls(
            tuple(recorded),
            tuple(sorted(build - {"", "/"}, key=lambda text: (-len(text), text))),
            os.path.basename(interpreter.stdlib),
            str(variables.get("MULTIARCH") or ""),
        )

    def replaced(self, text: str, new: str) -> str:
        """Return a text with `new` for the prefix."""
        before, end = r"(?:(?<![\w./-])|(?<=-[ILR]))\.?", r"(?![\w.-])"
        for build in self.build:
            text = re.sub(before + re.escape(build) + end, lambda _: new, text)
        for prefix in sorted(self.recorded, key=len, reverse=True):
            if prefix not in ("/", "/usr"):
                text = re.sub(before + re.escape(prefix) + end, lambda _: new, text)
        return self._replaced_system_paths(text, new) if "/usr" in self.recorded else text

    def _replaced_system_paths(self, text: str, new: str) -> str:
        """Replace the paths in `/usr` that belong to Python; Debian has its libraries in a directory for the platform."""
        before, end = r"(?:(?<![\w./-])|(?<=-[ILR]))\.?/usr", r"(?:(?=[\s'\":;,)])|$)"
        python, libraries = re.escape(self.python), f"/lib/{re.escape(self.multiarch)}"
        if self.multiarch:
            own = rf"{libraries}(?:(?=/pkgconfig\b)|(?=/{python}\b)|{end})"
            text = re.sub(before + own, lambda _: f"{new}/lib", text)
        own = rf"(?:(?=/(?:lib|include|bin)/{python}\b)|(?=/share/python-wheels\b)|(?=/(?:lib|include|bin){end})|{end})"
        return re.sub(before + own, lambda _: new, text)


def recorded_variables(stdlib: str) -> dict[str, object]:
    """Return the build-time variables in the standard library of CPython; empty if there are none."""
    for name in sorted(os.listdir(stdlib)):
        if is_sysconfig_data(name) and not name.startswith("_sysconfigdata_d_"):
            with open(os.path.join(stdlib, name), encoding="utf-8") as file:
                return parse_variables(file.read())
    return {}


def is_sysconfig_data(name: str) -> bool:
    """Return whether a file of the standard library has build-time variables."""
    return name.startswith("_sysconfigdata") and name.endswith(".py")


def parse_variables(source: str) -> dict[str, object]:
    """Return the build-time variables in the source of a `_sysconfigdata` module; empty if it is not as expected."""
    try:
        for node in ast.parse(source).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "build_time_vars":
                found = ast.literal_eval(node.value)
                return found if isinstance(found, dict) else {}
    except (SyntaxError, ValueError):
        pass
    return {}


def sysconfig_data(source: str, prefix: Prefix, changes: dict[str, object]) -> str:
    """Return the source of a `_sysconfigdata` module whose paths follow the environment."""
    lines: list[str] = []
    if not (variables := parse_variables(source)):
        return source  # that of PyPy computes them from its prefix
    for name, old in {**variables, **changes}.items():
        new = prefix.replaced(old, PLACEHOLDER) if isinstance(old, str) else old
        lines.append(f"    {name!r}: {new!r},\n")
    return DATA.format(variables="".join(lines), placeholder=PLACEHOLDER)


def makefile(source: str, prefix: Prefix) -> str:
    """Return a Makefile that finds the environment from its own path."""
    here = "$(abspath $(dir $(lastword $(MAKEFILE_LIST)))/../../..)"
    return re.sub(r"(?m)^prefix\s*=.*$", f"prefix=\t\t{here}", prefix.replaced(source, "$(prefix)"))


def pkg_config(source: str, prefix: Prefix) -> str:
    """Return a file of pkg-config that finds the environment from its own path."""
    text = re.sub(r"(?m)^prefix=.*$", "prefix=", source)
    text = prefix.replaced(text, "${prefix}")
    return text.replace("prefix=", "prefix=${pcfiledir}/../..", 1)


def relative_text(source: str, prefix: Prefix) -> str:
    """Return `python-config.py`, which replaces its built-in prefix with its own path, with a placeholder in it."""
    return prefix.replaced(source, f"/{PLACEHOLDER}")


def config_script(source: str, prefix: Prefix) -> str:
    """Return the shell script `python-config` with paths that follow the environment, wherever it is.

    The original replaces its prefix only in some variables, not in `LIBS`, and fails if its own path contains a space.
    """
    text = prefix.replaced(source, "$prefix_real")
    text = re.sub(r'\$\(echo "(.*)" \| sed "s#\$prefix#\$prefix_real#"\)', r'"\1"', text)
    text = text.replace('$(dirname $(cd $(dirname "$1") && pwd -P))', '$(dirname "$(cd "$(dirname "$1")" && pwd -P)")')
    return text.replace("echo $RESULT", 'echo "$RESULT"')
