"""Test the probe in real interpreters: its facts equal what each interpreter reports by other means."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cloche.discovery import find_interpreter
from cloche.discovery.cache import ProbeCache
from cloche.discovery.describe import running_base
from cloche.discovery.probe import probe_executables
from cloche.errors import InterpreterNotFound
from cloche.model.interpreter import Host, Interpreter
from tests import interpreters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cloche.discovery.cache import ProbeResult

ENVIRON = dict(os.environ)
HOST = Host(ENVIRON, os.sep, sys.platform, os.name, sys.executable)
NO_CACHE = ProbeCache(None)

REPORT = """
import json, os, sys, sysconfig, struct, importlib.util
print(json.dumps({
    "version": list(sys.version_info), "bits": struct.calcsize("P") * 8, "platform": sys.platform,
    "prefix": sys.base_prefix, "stdlib": os.path.dirname(os.__file__), "cache_tag": sys.implementation.cache_tag,
    "magic": importlib.util.MAGIC_NUMBER.hex(), "soabi": sysconfig.get_config_var("SOABI"),
    "implementation": sys.implementation.name, "machine": __import__("platform").machine(),
}))
"""

RELATIVE_PATHS = """
import json, os, sys, sysconfig
paths = sysconfig.get_paths()
root = sys.prefix
print(json.dumps({key: os.path.relpath(paths[key], root) for key in ("purelib", "platlib", "scripts")}))
"""

INTERPRETERS = [*interpreters.MINORS, "debian", "pypy"]


def find_executable(name: str) -> str:
    finders = {"debian": interpreters.debian, "pypy": interpreters.pypy}
    return finders[name]() if name in finders else interpreters.pyenv(name)


def run_program(executable: str, program: str) -> dict[str, object]:
    """Return the JSON object that a program prints when an interpreter runs it."""
    done = subprocess.run([executable, "-I", "-c", program], capture_output=True, check=True, text=True)
    reported: dict[str, object] = json.loads(done.stdout)
    return reported


def find(path: str) -> Interpreter:
    return find_interpreter((path,), HOST, [], NO_CACHE).interpreter


@pytest.mark.parametrize("name", INTERPRETERS)
def test_the_probe_reports_what_the_interpreter_reports(name: str) -> None:
    interpreter = find(find_executable(name))
    reported = run_program(interpreter.executable, REPORT)
    assert reported == {key: getattr(interpreter, key) for key in reported} | {"version": list(interpreter.version)}
    assert interpreter.os_name == "posix"
    assert interpreter.has_venv
    assert not interpreter.free_threaded
    assert not interpreter.debug


@pytest.mark.parametrize("name", INTERPRETERS)
def test_the_scheme_matches_an_environment_created_by_venv(name: str, tmp_path: object) -> None:
    interpreter = find(find_executable(name))
    root = os.path.join(str(tmp_path), "env")
    subprocess.run([interpreter.executable, "-m", "venv", "--without-pip", root], check=True)
    reported = run_program(os.path.join(root, "bin", "python"), RELATIVE_PATHS)
    assert reported == {key: interpreter.scheme[key] for key in reported}
    assert interpreter.scheme["include"] == "include"
    assert interpreter.scheme["data"] == ""


@pytest.mark.parametrize("name", INTERPRETERS)
def test_the_shared_library_is_the_one_that_the_loader_loads(name: str) -> None:
    interpreter = find(find_executable(name))
    loaded = subprocess.run(["ldd", interpreter.executable], capture_output=True, check=True, text=True).stdout
    needed = [line.split() for line in loaded.splitlines() if "libpython" in line or "libpypy" in line]
    assert bool(interpreter.library) == bool(needed)
    if needed:
        assert os.path.samefile(interpreter.library, needed[0][2])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *((name, "--symlinks") for name in INTERPRETERS),
        *(
            (name, "--copies") for name in INTERPRETERS if name != "pypy"
        ),  # the `venv` of PyPy would copy all of /usr/lib
    ],
)
def test_an_environment_is_resolved_to_its_base_interpreter(name: str, kind: str, tmp_path: object) -> None:
    interpreter = find(find_executable(name))
    inner, outer = os.path.join(str(tmp_path), "inner"), os.path.join(str(tmp_path), "outer")
    subprocess.run([interpreter.executable, "-m", "venv", "--without-pip", kind, inner], check=True)
    assert find(os.path.join(inner, "bin", "python")) == interpreter
    assert find(inner) == interpreter
    nested = [os.path.join(inner, "bin", "python"), "-m", "venv", "--without-pip", kind, outer]
    subprocess.run(nested, check=True)
    assert find(outer) == interpreter


def test_the_in_process_description_equals_that_of_the_probe() -> None:
    description = running_base(HOST, ProbeCache(None, prober=lambda *_: pytest.fail("a process was started")))
    assert find(description.executable) == description


def test_the_running_python_is_probed_if_variables_would_change_its_description() -> None:
    probed: list[str] = []

    def recording_prober(paths: Sequence[str], environ: Mapping[str, str]) -> list[ProbeResult]:
        probed.extend(paths)
        return probe_executables(paths, environ)

    host = Host({**ENVIRON, "PYTHONHOME": "/nowhere"}, os.sep, sys.platform, os.name, sys.executable)
    assert running_base(host, ProbeCache(None, prober=recording_prober)) == running_base(HOST, NO_CACHE)
    assert len(probed) == 1


def test_python_2_reports_only_its_version() -> None:
    with pytest.raises(InterpreterNotFound) as caught:
        find_interpreter((interpreters.pyenv("2.7"),), HOST, [], NO_CACHE)
    assert "is Python 2.7." in caught.value.message
    assert caught.value.message.endswith("but environments need 3.6 or later")


def test_the_probe_is_valid_syntax_on_every_python() -> None:
    with open(os.path.join(os.path.dirname(sys.modules["cloche.discovery"].__file__ or ""), "_probe.py")) as file:
        source = file.read()
    ast.parse(source, feature_version=(3, 4))
    old = interpreters.pyenv("2.7")
    subprocess.run(
        [old, "-c", "import sys; compile(sys.stdin.read(), 'probe', 'exec')"], input=source.encode(), check=True
    )


def test_variables_and_files_do_not_influence_the_probe(tmp_path: object) -> None:
    trap = os.path.join(str(tmp_path), "trap")
    os.mkdir(trap)
    for name in ("sysconfig", "os", "sitecustomize", "usercustomize", "json"):
        with open(os.path.join(trap, f"{name}.py"), "w") as file:
            file.write("raise SystemExit('trapped')")
    hostile = {
        **ENVIRON,
        "PYTHONPATH": trap,
        "PYTHONSTARTUP": os.path.join(trap, "os.py"),
        "PYTHONHOME": trap,
        "PYTHONINSPECT": "1",
        "PYTHONVERBOSE": "1",
        "PYTHONWARNINGS": "error",
        "PYTHONPLATLIBDIR": "nowhere",
        "__PYVENV_LAUNCHER__": os.path.join(trap, "python"),
        "_PYTHON_SYSCONFIGDATA_NAME": "nowhere",
        "_PYTHON_HOST_PLATFORM": "another-platform",
        "_PYTHON_PROJECT_BASE": trap,
    }
    for name in ("2.7", "3.6", "3.13", "debian", "pypy"):
        normal, influenced = (
            probe_executables([find_executable(name)], ENVIRON),
            probe_executables([find_executable(name)], hostile),
        )
        assert normal == influenced
    before = os.getcwd()
    os.chdir(trap)
    try:
        assert probe_executables([interpreters.pyenv("2.7")], hostile)[0].reason.startswith("is Python 2.7.")
        assert probe_executables([interpreters.pyenv("3.6")], hostile)[0].interpreter is not None
    finally:
        os.chdir(before)


def test_a_wrapper_is_resolved_to_the_interpreter_that_it_starts(tmp_path: object) -> None:
    wrapper = os.path.join(str(tmp_path), "python3.12")
    with open(wrapper, "w") as file:
        file.write(f'#!/bin/sh\necho "welcome to the wrapper"\nexec "{interpreters.pyenv("3.12")}" "$@"\n')
    os.chmod(wrapper, 0o755)
    assert find(wrapper) == find(interpreters.pyenv("3.12"))


@pytest.mark.parametrize("name", ["/nonexistent/python3", "python3", "{other}"])
def test_a_wrapper_that_hides_the_path_of_its_interpreter_is_refused(tmp_path: Path, name: str) -> None:
    """The environment would have another Python, or its Python would not find the environment."""
    wrapper, bin_directory = tmp_path / "wrapper", tmp_path / "bin"
    bin_directory.mkdir()
    (bin_directory / "python3").symlink_to(interpreters.pyenv("3.11"))
    name = name.format(other=interpreters.pyenv("3.11"))
    wrapper.write_text(
        f'#!/bin/bash\nexport PATH={bin_directory}\nexec -a {name} "{interpreters.pyenv("3.12")}" "$@"\n'
    )
    wrapper.chmod(0o755)

    with pytest.raises(InterpreterNotFound, match=r"starts CPython 3\.12\.\d+, which says that its path is"):
        find(str(wrapper))


def test_a_wrapper_that_passes_its_name_on_is_itself_the_base(tmp_path: Path) -> None:
    """As the wrappers of Nix do, so that the interpreter finds the environment."""
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f'#!/bin/bash\nexec -a "$0" "{interpreters.pyenv("3.12")}" "$@"\n')
    wrapper.chmod(0o755)

    assert find(str(wrapper)).executable == str(wrapper)


def test_a_wrapper_is_asked_on_every_run(tmp_path: Path) -> None:
    """A wrapper can decide by anything, here by a file, so no key of a cache could tell when its answer changes."""
    cache = ProbeCache(str(tmp_path / "cache"), environ=ENVIRON)
    wrapper = tmp_path / "python3"
    wrapper.write_text(f'#!/bin/sh\nexec "$(cat {tmp_path}/chosen)" "$@"\n')
    wrapper.chmod(0o755)
    for name in ("3.12", "3.11", "3.12"):
        (tmp_path / "chosen").write_text(interpreters.pyenv(name))
        found = find_interpreter([str(wrapper)], HOST, [], cache)
        assert found.interpreter.python_version == name


def test_a_link_is_followed_only_until_the_standard_library_is_found(tmp_path: object) -> None:
    executable = find(interpreters.pyenv("3.12")).executable
    alias = os.path.join(str(tmp_path), "opt")
    os.symlink(os.path.dirname(os.path.dirname(executable)), alias)
    through_alias = os.path.join(alias, "bin", "python3.12")
    link = os.path.join(str(tmp_path), "python")
    os.symlink(through_alias, link)
    assert find(through_alias).executable == through_alias
    assert find(link).executable == through_alias


def test_a_name_without_a_version_is_replaced_by_the_exact_one() -> None:
    executable = interpreters.debian()
    assert find(executable).executable == f"{executable}.{find(executable).version[1]}"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/nowhere/python", "does not exist"),
        ("/etc", "is a directory that contains no Python"),
        ("/etc/passwd", "is not executable (its mode is 644)"),
        ("/dev/null", "is not a regular file"),
    ],
)
def test_a_path_without_a_python_is_rejected_with_the_reason(path: str, reason: str) -> None:
    with pytest.raises(InterpreterNotFound) as caught:
        find_interpreter((path,), HOST, [], NO_CACHE)
    assert caught.value.message == f"`{path}` {reason}"


def test_the_error_for_a_missing_base_names_its_directory(tmp_path: object) -> None:
    binaries = os.path.join(str(tmp_path), "env", "bin")
    os.makedirs(binaries)
    os.symlink("/gone/bin/python3.12", os.path.join(binaries, "python3.12"))
    with open(os.path.join(binaries, "python"), "w") as file:
        os.chmod(file.fileno(), 0o755)
    with open(os.path.join(str(tmp_path), "env", "pyvenv.cfg"), "w") as file:
        file.write("home = /gone/bin\n")
    with pytest.raises(InterpreterNotFound, match="base in `/gone/bin` no longer exists"):
        find_interpreter((os.path.join(str(tmp_path), "env"),), HOST, [], NO_CACHE)
