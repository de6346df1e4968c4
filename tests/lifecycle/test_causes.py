"""Test that environments are understood that were copied, linked, packed or created in ways that hide what they are."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.interpreters import pyenv
from tests.lifecycle.environments import find_problems, make_project, populate, run
from tests.tools import require
from tests.trees import snapshot


def findings(cloche, env: Path) -> dict[str, dict]:
    """Return the findings of `cloche doctor` by code."""
    [environment] = cloche("doctor", "--json", env).json["environments"]
    return {finding["code"]: finding for finding in environment["findings"]}


def site_packages(env: Path) -> Path:
    return next(env.glob("lib/*/site-packages"))


# Links that became directories


@pytest.fixture
def copied(cloche, populated_env) -> Path:
    """Return a copy of an environment in which every link was replaced by what it leads to, as caches of CI services do."""
    env = populated_env("venv", "3.11")
    copy = cloche.cwd / "copy"
    run("cp", "-rL", env, copy)
    assert not (copy / "lib64").is_symlink()
    return copy


def test_a_directory_instead_of_a_link_becomes_a_link_again(cloche, copied) -> None:
    assert findings(cloche, copied)["link-copied"]["path"] == "lib64"
    outcome = cloche("doctor", "--fix", copied)
    assert outcome.code == 0, outcome.out + outcome.err
    assert os.readlink(copied / "lib64") == "lib"
    assert findings(cloche, copied) == {}
    assert find_problems(copied, cloche.cwd / "env") == []


def test_a_directory_instead_of_a_link_with_other_content_is_left_alone(cloche, copied) -> None:
    other = copied / "lib64" / "python3.11" / "site-packages" / "mine.py"
    other.write_text("")
    assert cloche("doctor", "--fix", copied).code == 1
    assert other.exists()
    assert "lib64/python3.11/site-packages/mine.py" in findings(cloche, copied)["link-copied"]["message"]


def test_an_upgrade_does_not_duplicate_a_directory_that_replaced_a_link(cloche, copied) -> None:
    """What is only in the copy is kept in the directory, and outdated copies of installed files are left out."""
    copy = copied / "lib64" / "python3.11" / "site-packages"
    (copy / "mine.py").write_text("")
    (copy / "plain" / "cli.py").write_text("outdated\n")
    outcome = cloche("upgrade", copied, "-p", "3.12")
    assert outcome.code == 0, outcome.err
    assert os.readlink(copied / "lib64") == "lib"
    assert os.listdir(copied / "lib") == ["python3.12"]
    assert (site_packages(copied) / "mine.py").exists()
    assert (site_packages(copied) / "plain" / "cli.py").read_text() != "outdated\n"
    assert findings(cloche, copied) == {}


def test_an_upgrade_refuses_to_lose_a_file_that_differs_from_its_copy(cloche, copied) -> None:
    for library in ("lib", "lib64"):
        (copied / library / "notes.txt").write_text(library)
    outcome = cloche("upgrade", copied, "-p", "3.12")
    assert (
        "lib64/notes.txt: it differs from the file of the same name in the directory that its own directory duplicates"
        in outcome.err
    )
    assert (copied / "lib64" / "notes.txt").read_text() == "lib64"


def test_verify_reports_a_directory_instead_of_a_link_once(cloche, copied) -> None:
    cloche("doctor", "--fix", copied)
    (copied / "lib64").unlink()
    shutil.copytree(copied / "lib", copied / "lib64", symlinks=True)
    lines = [line for line in cloche("verify", copied).out.splitlines() if "lib64" in line]
    assert lines == ["link: lib64: is a directory, and not a link to `lib`"]


# Hard links


def test_repairing_permissions_does_not_change_those_of_another_environment(cloche) -> None:
    """The files of seeds are hard links, which share their permissions."""
    environments = [cloche.cwd / name for name in ("first", "second", "third")]
    for env in environments:
        assert cloche("--link-mode", "hardlink", env).code == 0
    _, second, third = environments
    shared = next(path for path in site_packages(second).rglob("*.py") if path.stat().st_nlink > 1)
    other = third / shared.relative_to(second)
    assert other.samefile(shared)
    run("chmod", "-R", "a+w", second)
    before = snapshot(second)
    outcome = cloche("doctor", "--fix", third)
    assert outcome.code == 0, outcome.out
    assert not other.samefile(shared)
    assert not other.stat().st_mode & stat.S_IWOTH
    assert other.stat().st_mtime_ns == shared.stat().st_mtime_ns
    assert snapshot(second) == before
    fourth = cloche.cwd / "fourth"
    assert cloche("--link-mode", "hardlink", fourth).code == 0
    assert findings(cloche, fourth) == {}


# A base that cannot be used


def test_a_base_that_is_too_old_is_not_reported_as_missing(cloche) -> None:
    base = pyenv("2.7")
    env = cloche.cwd / "env"
    site = env / "lib" / "python2.7" / "site-packages"
    site.mkdir(parents=True)
    (env / "bin").mkdir()
    (env / "bin" / "python").symlink_to(base)
    (env / "pyvenv.cfg").write_text(
        f"home = {os.path.dirname(base)}\nversion_info = 2.7.18.final.0\nvirtualenv = 20.21.1\n"
    )
    assert findings(cloche, env).keys() == {"base-unusable"}
    finding = findings(cloche, env)["base-unusable"]
    assert "is Python 2.7.18, but environments need 3.6 or later" in finding["message"]
    for command in ("info", "verify"):
        assert "no longer" not in cloche(command, env).out


@pytest.mark.parametrize("content", ["", "#!/bin/sh\nexit 1\n"])
def test_a_base_that_does_not_start_is_not_reported_as_missing(cloche, empty_env, content) -> None:
    env = empty_env("venv")
    config = env / "pyvenv.cfg"
    broken = cloche.cwd / "broken" / "bin" / "python3.12"
    broken.parent.mkdir(parents=True)
    broken.write_text(content)
    broken.chmod(0o755)
    config.write_text(f"home = {broken.parent}\ninclude-system-site-packages = false\nversion = 3.12.1\n")
    found = findings(cloche, env)
    assert f"its base `{broken}` " in found["base-unusable"]["message"]
    assert "base-gone" not in found


# Paths through links


@pytest.mark.parametrize("how", [pytest.param("move", marks=pytest.mark.nightly), "fix"])
def test_both_spellings_of_a_path_through_a_link_are_replaced(cloche, wheels, how) -> None:
    """pip writes the real path into some files, and the path that it was started by into others."""
    (cloche.cwd / "real").mkdir()
    (cloche.cwd / "linked").symlink_to("real")
    old, new = cloche.cwd / "linked" / "env", cloche.cwd / "real" / "new"
    run(pyenv("3.12"), "-m", "venv", "--without-pip", old)
    populate(old, wheels, cloche.cwd / "projects")
    with (site_packages(old) / "extra.pth").open("a") as file:
        file.write(f"{cloche.cwd / 'real' / 'env' / 'src'}\n")
    if how == "move":
        assert cloche("move", old, new).code == 0
    else:
        (cloche.cwd / "real" / "env").rename(new)
        outcome = cloche("doctor", "--fix", new)
        assert outcome.code == 0, outcome.out + outcome.err
    assert find_problems(new, old, cloche.cwd / "real" / "env") == []


# External references


def test_external_references_are_reported_after_a_repair(cloche, empty_env) -> None:
    """A kernel of Jupyter, a link of pipx, an alias, and the file of direnv in a project whose environment is in `.direnv`."""
    home = Path(cloche.environ["HOME"])
    project = cloche.cwd / "project"
    env = empty_env("venv", name="project/.direnv/python-3.12")
    new = env.with_name("moved")
    (project / ".envrc").write_text(f"source {env}/bin/activate\n")
    (home / ".bashrc").write_text(f"alias work='. {env}/bin/activate'\n")
    (home / ".local" / "bin").mkdir(parents=True)
    (home / ".local" / "bin" / "tool").symlink_to(env / "bin" / "tool")
    kernel = home / ".local" / "share" / "jupyter" / "kernels" / "mine" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({"argv": [str(env / "bin" / "python"), "-m", "ipykernel"]}))
    expected = [project / ".envrc", home / ".bashrc", home / ".local" / "bin" / "tool", kernel]
    rehearsed = cloche("move", "--dry-run", env, new).err
    env.rename(new)
    outcome = cloche("doctor", "--fix", new)
    assert outcome.code == 0, outcome.out
    for path in expected:
        assert f"{new}: note: `{path}` still contains `{env}`\n" in outcome.out
        assert f"`{path}` still contains `{env}`" in rehearsed


@pytest.mark.parametrize("command", ["move", "copy", "fix"])
@pytest.mark.parametrize("link", ["lib", "lib/python3.12", "lib/python3.12/site-packages"])
def test_packages_that_a_link_leads_to_are_reported_and_not_changed(cloche, link: str, command: str) -> None:
    """Other environments may use them as well, and their RECORD describes scripts of this one."""
    env, new, shared = cloche.cwd / "env", cloche.cwd / "new", cloche.cwd / "shared"
    assert cloche(env, "-p", "3.12", "--link-mode", "copy").code == 0
    (env / link).rename(shared)
    (env / link).symlink_to(shared)
    site = (env / "lib" / "python3.12" / "site-packages").resolve()
    (site / "mine.pth").write_text(f"{env}/src\n")
    before = snapshot(shared)
    if command == "fix":
        env.rename(new)
    outcome = cloche(
        *{"move": ("move", env, new), "copy": ("move", "--copy", env, new), "fix": ("doctor", "--fix", new)}[command]
    )
    told = outcome.out + outcome.err
    [record] = site.glob("pip-*.dist-info/RECORD")
    assert f"`{record}` is outside the environment and keeps the hashes of the scripts as they were" in told
    assert (f"`{site / 'mine.pth'}` still contains `{env}`" in told) == (command != "copy")
    assert snapshot(shared) == before
    assert run(new / "bin" / "pip", "--version").startswith("pip ")


def test_a_copy_does_not_report_the_references_to_its_original(cloche, empty_env) -> None:
    env, copy = empty_env("venv"), cloche.cwd / "copy"
    (cloche.cwd / ".envrc").write_text(f"source {env}/bin/activate\n")
    shutil.copytree(env, copy, symlinks=True)
    outcome = cloche("doctor", "--fix", copy)
    assert outcome.code == 0
    assert "note:" not in outcome.out


# Libraries in C


def compile_library(path: Path, source: str, *options: str) -> None:
    source_file = path.with_suffix(".c")
    source_file.write_text(source)
    run(require("gcc"), "-shared", "-fPIC", "-o", path, source_file, *options)
    source_file.unlink()


def test_a_library_in_c_does_not_block_an_upgrade_and_an_extension_module_does(cloche, empty_env) -> None:
    env = empty_env("venv", "3.11")
    libraries = [env / "lib" / "libplain.so", site_packages(env) / "native.so"]
    for library in libraries:
        compile_library(library, "int plain(void) { return 1; }\n")
    module = site_packages(env) / "extension.so"
    compile_library(module, "void *PyInit_extension(void) { return 0; }\n")
    outcome = cloche("upgrade", env, "-p", "3.12")
    assert (
        "not everything can be kept: lib/python3.11/site-packages/extension.so: it is an extension module"
        in outcome.err
    )
    module.unlink()
    assert cloche("upgrade", env, "-p", "3.12").code == 0
    assert (env / "lib" / "libplain.so").exists()
    assert (site_packages(env) / "native.so").exists()


@pytest.mark.parametrize("how", ["move", "fix"])
def test_the_search_path_of_a_library_follows_a_move(cloche, empty_env, how) -> None:
    env, new = empty_env("venv"), cloche.cwd / "a much longer name for the environment"
    compile_library(env / "lib" / "libinner.so", "int inner(void) { return 7; }\n")
    outer = env / "lib" / "libouter.so"
    path = f"-Wl,-rpath,{env}/lib:/usr/lib"
    compile_library(outer, "int inner(void); int outer(void) { return inner(); }\n", f"-L{env}/lib", "-linner", path)
    if how == "move":
        outcome = cloche("move", env, new)
        assert (outcome.code, outcome.err) == (0, "")
    else:
        env.rename(new)
        outcome = cloche("doctor", "--fix", new)
        assert outcome.code == 0
        assert "note:" not in outcome.out
    program = f"import ctypes; print(ctypes.CDLL({str(new / 'lib' / 'libouter.so')!r}).outer())"
    assert run(new / "bin" / "python", "-c", program) == "7\n"


# Editable installs


@pytest.mark.parametrize("kind", ["path", pytest.param("finder", marks=pytest.mark.nightly)])
def test_an_editable_install_is_dead_if_its_modules_cannot_be_imported(cloche, empty_env, kind) -> None:
    env = empty_env("venv")
    project = make_project(cloche.cwd / "projects", "app", kind)
    pip = [shutil.which("python3"), "-m", "pip", "--python", env / "bin" / "python", "install", "-q"]
    install = [*pip, "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation", "-e", project]
    run(*install)
    assert findings(cloche, env) == {}
    (project / "src" / "app").rename(project / "src" / "renamed")
    finding = findings(cloche, env)["editable-dead"]
    assert f"app 1.0 is installed from `{project}`, but `import app` fails: " in finding["message"]
    assert finding["remedy"].endswith(f" install --no-deps -e {project}`")
    (project / "src" / "renamed").rename(project / "src" / "app")
    assert findings(cloche, env) == {}
    (project / "src" / "app" / "__init__.py").unlink()
    (project / "src" / "app" / "cli.py").unlink()
    (project / "src" / "app" / "cli.py").symlink_to("nowhere")  # what is left of a strict install of setuptools
    assert "editable-dead" in findings(cloche, env)


# Messages


def test_a_lost_base_of_the_same_version_is_named_by_what_is_lost(cloche, tmp_path) -> None:
    from tests.lifecycle.test_requirements import make_base

    base = make_base(tmp_path / "base", "3.12")
    env = cloche.cwd / "env"
    run(base, "-m", "venv", "--without-pip", env)
    base.rename(base.with_name("gone"))
    outcome = cloche("upgrade", "--check", env)
    assert "instead of 3.12" not in outcome.out
    assert "instead of one that no longer exists" in outcome.out
