"""The Python that a project or a user of pyenv requests without `-p`; all of these sources are untrusted text.

PYENV_VERSION     the variable that `pyenv shell` sets; the first valid name
.python-version   the nearest one in this or a parent directory; the first valid line:
                  3.12  pypy3.10-7.3.12  3.12.1/envs/mine  system
.python-versions  in the same directory, if there is no .python-version
pyproject.toml    the nearest one in this or a parent directory; `requires-python` in `[project]`
"""

from __future__ import annotations

import errno
import os
import sys

from cloche.fs import directory_and_parents, read_at_most
from cloche.fs.inputs import UNRECORDED
from cloche.model.value import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.fs.inputs import Inputs
    from cloche.model.interpreter import Host

MAX_VERSION_FILE_BYTES = 1 << 16
"""The maximum size of a version file in bytes."""
MAX_PYPROJECT_BYTES = 1 << 20
"""The maximum size of a `pyproject.toml` in bytes."""


def find_project_request(
    host: Host, warnings: list[str] | None = None, inputs: Inputs = UNRECORDED
) -> tuple[tuple[str, ...], str]:
    """Return the specs that the project in the current directory requests, and where they come from.

    The specs are empty if the running Python satisfies the project. `((), "")` means that nothing requests a Python.

    :param warnings: receives a message for each source that has no valid line, and for a pin that is not installed.
    """
    for origin, lines in _version_sources(host, warnings, inputs):
        for line in lines:
            if request := request_in_line(line, host, inputs):
                if warnings is not None and (general := loosened_pin(line, request)):
                    warnings.append(
                        f"{origin} asks for `{general}`: no installation has this name, so any `{request}` is accepted"
                    )
                return (request,), origin
        if lines and warnings is not None:
            warnings.append(f"{origin} was ignored: `{lines[0][:100]}` is not a valid Python request")
    for directory in directory_and_parents(host.cwd):
        path = os.path.join(directory, "pyproject.toml")
        text = _read_text_file(path, MAX_PYPROJECT_BYTES, inputs) or ""
        wanted = requires_python(text)
        runs_here = _running_python_satisfies(wanted) if wanted else None
        if runs_here is None and warnings is not None and ("requires-python" in text or not text):
            from cloche.discovery.pyproject_problems import problems_of

            warnings += problems_of(path, text, wanted, MAX_PYPROJECT_BYTES)
        if text:
            if runs_here is None:
                return (), ""
            return (() if runs_here else (wanted,)), f"`requires-python` of {os.path.join(directory, 'pyproject.toml')}"
    return (), ""


def _version_sources(host: Host, warnings: list[str] | None, inputs: Inputs) -> Iterator[tuple[str, list[str]]]:
    """Yield `PYENV_VERSION` and the version files, nearest first: where each is, and its lines without comments.

    :param warnings: receives a message for each file that exists and cannot be read as text.
    """
    if value := inputs.variable(host.environ, "PYENV_VERSION"):
        yield "`PYENV_VERSION`", [name.strip() for name in value.split(":") if name.strip()]
    for directory in directory_and_parents(host.cwd):
        for name in (".python-version", ".python-versions"):
            path = os.path.join(directory, name)
            text = _read_text_file(path, MAX_VERSION_FILE_BYTES, inputs)
            if text is None and warnings is not None:  # for example UTF-16, which Windows PowerShell writes
                from cloche.discovery.pyproject_problems import unreadable

                warnings += unreadable(path, MAX_VERSION_FILE_BYTES)
            if text:
                lines = (raw.partition("#")[0].strip() for raw in text.split("\n"))
                yield f"`{name}` in {directory}", [line for line in lines if line]


def request_in_line(line: str, host: Host, inputs: Inputs) -> str:
    """Return the request in a line of a version file; empty if there is none.

    An installation of this exact name comes first, unless the line is a version, which any installation may satisfy.
    """
    request = parse_request(line)
    if request == line and request[:1].isdigit():
        return request
    return installation(line, host, inputs) or request or parse_request(first_version(line))


def loosened_pin(line: str, request: str) -> str:
    """Return the line if it pins a version of PyPy or GraalPy and the request keeps only that of Python; otherwise empty."""
    name = line.lower()
    return line if name.startswith(("pypy", "graalpy")) and "-" in name and name.startswith(f"{request}-") else ""


def parse_request(line: str) -> str:
    """Return the request in a line of a version file: a spec, or empty if invalid.

    pyenv writes installation names: `3.12.1/envs/foo` is an environment of 3.12.1, `pypy3.10-7.3.12` is PyPy 3.10.
    """
    from cloche.errors import UsageError
    from cloche.model.spec import SYSTEM, parse_spec

    name = line.split("/", 1)[0].strip()
    lowered = name.lower().removeprefix("python-")
    if len(name) > 100 or lowered == SYSTEM:
        return lowered if lowered == SYSTEM else ""
    if lowered.startswith(("pypy", "graalpy")):
        kind = "pypy" if lowered.startswith("pypy") else "graalpy"
        version = lowered[len(kind) :].partition("-")[0] if kind == "pypy" else ""
        lowered = f"{kind}{version}"
    try:
        spec = parse_spec(lowered)
    except UsageError:
        return ""
    return "" if spec.is_exact else lowered


def first_version(line: str) -> str:
    """Return the first version in a line, as pyenv reads it: 3.12.1 for `3.12.1 3.11.7`; empty if there is none."""
    word = line.partition(" ")[0].partition("\t")[0]
    return word if any(character.isdigit() for character in word) and not set(word) & set("<>=!~") else ""


def installation(line: str, host: Host, inputs: Inputs) -> str:
    """Return the directory of an installation with the name in a line (`pypy3.9-7.3.11`, `mine`, `3.12.1/envs/mine`).

    pyenv, mise or asdf has installed it under this name. Empty if there is none.
    """
    parts = line.strip().split("/envs/")
    for part in parts:
        if not 0 < len(part) <= 100 or not part.isprintable() or part.startswith(".") or set(part) & set("/\\:"):
            return ""
    from cloche.discovery.installation_roots import VARIABLES, installation_roots

    for name in VARIABLES:
        inputs.variable(host.environ, name)
    for root in installation_roots(host.environ):
        directory = os.path.join(root, *parts[:1], *(name for part in parts[1:] for name in ("envs", part)))
        inputs.path(os.path.join(directory, "bin"))
        if os.path.isdir(os.path.join(directory, "bin")):
            return directory
    return ""


def requires_python(text: str) -> str:
    """Return `requires-python` from the text of a `pyproject.toml`, empty if there is none or the text is not TOML."""
    if "requires-python" not in text:
        return ""
    if (found := _plain_string(text)) is not None:
        return found
    from cloche.fs.toml import InvalidToml, parse_toml

    try:
        project = parse_toml(text).get("project")
    except InvalidToml:
        return ""
    wanted = project.get("requires-python") if isinstance(project, dict) else ""
    return wanted.strip() if isinstance(wanted, str) else ""


def _plain_string(text: str) -> str | None:
    """Return the value if it is a plain string on one line, None if that takes a TOML parser (10 ms)."""
    if '"""' in text or "'''" in text or text.count("requires-python") != 1:
        return None
    table = ""
    for line in text.split("\n"):
        if line.startswith("["):
            table = line.strip()
        key, found, rest = line.partition("=")
        if found and key.strip() == "requires-python":
            quoted = rest.strip()
            plain = len(quoted) > 1 and quoted[0] == quoted[-1] == '"' and not set(quoted[1:-1]) & set('"\\#')
            return quoted[1:-1].strip() if table == "[project]" and plain else None
    return None


def _running_python_satisfies(wanted: str) -> bool | None:
    """Return whether the running Python satisfies a PEP 440 range; None if that is not a valid range."""
    from cloche.errors import UsageError
    from cloche.model.spec import parse_spec, range_contains

    try:
        spec = parse_spec(wanted)
    except UsageError:
        return None
    return range_contains(spec.range, sys.version_info[:5]) if spec.is_range else None


def _read_text_file(path: str, max_bytes: int, inputs: Inputs) -> str | None:
    """Return the text of a file, empty if it does not exist.

    None if it is a broken link or not a regular file, too large, or not UTF-8.
    """
    inputs.path(path)
    errors: list[OSError] = []
    content = read_at_most(path, max_bytes + 1, errors.append)
    if content is None and errors and errors[0].errno in (errno.ENOENT, errno.ENOTDIR) and not os.path.islink(path):
        return ""
    if content is None or len(content) > max_bytes:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
