"""Test that an environment of `cloche --relocatable DEST` works unchanged wherever it is moved or copied."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

import cloche as api
from cloche.model.operations import Write
from cloche.shells.template import SLOT_PREFIX
from cloche.store import Store
from cloche.store.distributions import read_wheel
from cloche.store.images import find_or_build_image
from cloche.store.installation import image_operations
from cloche.testing.fakes import fake_environment, fake_interpreter
from tests.distributions import host_with_home, make_wheel
from tests.interpreters import MINORS, pypy
from tests.tools import require
from tests.trees import snapshot

NAMES = ["two words", 'it\'s "$HOME" `id` $(id)', "-n", "x" * 200, f"{SLOT_PREFIX}ROOT__ é 日本"]
"""Names of directories that a shebang cannot contain, or that an unquoted script would run."""


def run(*command, **more):
    """Run a program and return its standard output; it must exit with 0 and print nothing to standard error."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "PIP_"))}
    done = subprocess.run(
        [*map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=clean | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        **more,
    )
    assert (done.returncode, done.stderr) == (0, ""), command
    return done.stdout.strip()


def assert_works(root):
    """Assert that the Python, pip and activation script of an environment find it at its current path."""
    assert run(root / "bin" / "python", "-c", "import sys; print(sys.prefix)") == str(root)
    assert f"from {root}{os.sep}" in run(root / "bin" / "pip", "--version")
    assert f"from {root}{os.sep}" in run(
        sys.executable, "-I", "-c", RUN, root / "bin" / "python", root / "bin" / "pip3"
    )
    script = '. "$1" && printf %s "$VIRTUAL_ENV|$VIRTUAL_ENV_PROMPT|" && command -v pip'
    active = run("bash", "-c", script, "bash", root / "bin" / "activate")
    assert active == f"{root}|{root.name}|{root}/bin/pip"


RUN = "import subprocess, sys; subprocess.run([*sys.argv[1:], '--version'], check=True)"


def install(root, wheel):
    """Install the wheel with pip, and make its script executable, because the wheel does not say that it is."""
    run(root / "bin" / "pip", "install", "-q", "--no-index", wheel)
    (root / "bin" / "spam-tool").chmod(0o755)


def findings(cloche, root):
    """Return the codes that `cloche doctor` reports."""
    (environment,) = cloche("doctor", "--json", root).json["environments"]
    return [finding["code"] for finding in environment["findings"]]


@pytest.fixture
def wheel(tmp_path):
    """A wheel with a console script and a script file."""
    program = "import sys\ndef main():\n    print('said', sys.prefix, *sys.argv[1:])\n"
    return make_wheel(
        tmp_path / "wheels",
        "spam",
        "1.0",
        {"spam/__init__.py": program, "spam-1.0.data/scripts/spam-tool": "#!python\nimport spam\nspam.main()\n"},
        entry_points="[console_scripts]\nspam = spam:main\n",
    )


def test_a_moved_environment_works_without_any_change(cloche):
    assert cloche("--relocatable", "./env").code == 0
    root = cloche.cwd / "env"
    before = snapshot(root)
    assert_works(root)
    for name in NAMES:
        moved = cloche.cwd / name
        run(require("mv"), "--", root, moved)
        assert_works(moved)
        root = moved
    assert snapshot(root) == before
    assert findings(cloche, root) == []


def test_a_copy_is_independent_of_the_original(cloche):
    assert cloche("--relocatable", "./env").code == 0
    copy = cloche.cwd / "a copy"
    run(require("cp"), "-r", cloche.cwd / "env", copy)
    assert_works(copy)
    assert_works(cloche.cwd / "env")
    assert findings(cloche, copy) == []
    shutil.rmtree(cloche.cwd / "env")
    assert_works(copy)


def test_only_the_recorded_command_contains_the_path(cloche):
    """Two environments differ only in `command`, which is information for people, and in its hash."""
    trees, settings = [], []
    for name in ("one", "an other"):
        assert cloche("--relocatable", "--seed", "pip", name).code == 0
        tree = snapshot(cloche.cwd / name)
        config = tree.pop("pyvenv.cfg")[2].decode().splitlines()
        del tree[".cloche-manifest"]
        trees.append(tree)
        settings.append([line for line in config if not line.startswith("command =")])
    assert trees[0] == trees[1]
    assert settings[0] == settings[1]
    links = [content for _, _, content in trees[0].values() if isinstance(content, str)]
    assert [link for link in links if os.path.isabs(link)] == [api.find().executable]
    assert "relocatable = true" in settings[0]


@pytest.mark.nightly
@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("creator", ["symlink", "copy", "venv"])
def test_an_environment_of_every_interpreter_works_after_a_move(cloche, minor, creator):
    assert cloche("--relocatable", "-p", minor, "--creator", creator, "./env").code == 0
    (cloche.cwd / "env").rename(cloche.cwd / "it is here now")
    assert_works(cloche.cwd / "it is here now")
    assert findings(cloche, cloche.cwd / "it is here now") == []


@pytest.mark.parametrize("creator", ["symlink", "copy"])
def test_an_environment_of_pypy_works_after_a_move(cloche, creator):
    assert cloche("--relocatable", "-p", pypy(), "--creator", creator, "./env").code == 0
    (cloche.cwd / "env").rename(cloche.cwd / "it is here now")
    assert_works(cloche.cwd / "it is here now")


def test_scripts_are_found_through_links_and_on_path(cloche, wheel):
    """People put a single program on PATH with a link: `~/.local/bin/spam -> .../env/bin/spam`."""
    assert cloche("--relocatable", "--seed", "spam", "--find-links", wheel.parent, "./env").code == 0
    (cloche.cwd / "env").rename(cloche.cwd / "new")
    (cloche.cwd / ".local" / "bin").mkdir(parents=True)
    for name in ("spam", "spam-tool"):
        link = cloche.cwd / ".local" / "bin" / name
        link.symlink_to(f"../../new/bin/{name}")
        assert run(link, "a b", "*") == f"said {cloche.cwd}/new a b *"
        found = run("bash", "-c", f"PATH={link.parent}:$PATH; {name} ''")
        assert found == f"said {cloche.cwd}/new"


# Packages that pip installs


def test_doctor_makes_scripts_that_pip_installed_relocatable(cloche, wheel):
    """pip always writes the path of the environment into the shebang of a script."""
    assert cloche("--relocatable", "./env").code == 0
    root = cloche.cwd / "env"
    install(root, wheel)
    assert str(root) in (root / "bin" / "spam").read_text()
    assert findings(cloche, root) == ["script-fixed"]
    assert cloche("doctor", "--fix", root).code == 0
    assert findings(cloche, root) == []
    before = snapshot(root)
    root = root.rename(cloche.cwd / "two words")
    assert run(root / "bin" / "spam", "x") == run(root / "bin" / "spam-tool", "x") == f"said {root} x"
    assert findings(cloche, root) == []
    assert snapshot(root) == before
    assert "Successfully uninstalled" in run(root / "bin" / "pip", "uninstall", "-y", "spam")
    assert not (root / "bin" / "spam").exists()


def test_doctor_repairs_scripts_that_a_move_broke(cloche, wheel):
    """It reports only these scripts, and not that the environment was moved."""
    assert cloche("--relocatable", "./env").code == 0
    install(cloche.cwd / "env", wheel)
    root = (cloche.cwd / "env").rename(cloche.cwd / "new")
    assert_works(root)
    assert findings(cloche, root) == ["script-dead"]
    assert cloche("doctor", "--fix", root).code == 0
    for name in ("again", "and again"):
        assert run(root / "bin" / "spam") == f"said {root}"
        root = root.rename(cloche.cwd / name)


# Later commands


def test_move_and_upgrade_keep_it_relocatable(cloche, wheel):
    assert cloche("--relocatable", "-p", "3.12", "./env").code == 0
    root = cloche.cwd / "env"
    install(root, wheel)
    assert cloche("move", root, "moved by cloche").code == 0
    assert findings(cloche, cloche.cwd / "moved by cloche") == []
    done = cloche("upgrade", cloche.cwd / "moved by cloche", "-p", "3.13")
    assert (done.code, "relocatable" in done.err) == (0, False)
    root = (cloche.cwd / "moved by cloche").rename(cloche.cwd / "upgraded")
    assert_works(root)
    assert run(root / "bin" / "spam") == run(root / "bin" / "spam-tool") == f"said {root}"
    assert findings(cloche, root) == []
    assert "relocatable" in cloche("info", "--json", root).json["options"]


def test_refreshing_keeps_an_environment_relocatable(cloche):
    assert cloche("--relocatable", "./env").code == 0
    before = snapshot(cloche.cwd / "env")
    assert cloche("./env").code == 0
    assert snapshot(cloche.cwd / "env") == before
    assert cloche("--clear", "./env").code == 0
    assert "relocatable" not in cloche("info", "--json", "env").json["options"]


def test_an_existing_environment_can_become_relocatable(cloche):
    """A refresh does not change installed scripts, so `doctor --fix` must rewrite them."""
    assert cloche("./env").code == 0
    done = cloche("--relocatable", "./env")
    assert (done.code, "`cloche doctor --fix`" in done.err) == (0, True)
    assert findings(cloche, "./env") == ["script-fixed"]
    assert cloche("doctor", "--fix", "env").code == 0
    assert_works((cloche.cwd / "env").rename(cloche.cwd / "new"))


# Options


def test_every_source_of_settings_can_request_a_relocatable_environment(cloche):
    for name, argv, variables in (("a", ["--relocatable"], {}), ("b", [], {"CLOCHE_RELOCATABLE": "1"})):
        assert cloche("--no-seed", *argv, name, **variables).code == 0
        assert "relocatable = true\n" in (cloche.cwd / name / "pyvenv.cfg").read_text()
    (cloche.cwd / "pyproject.toml").write_text("[tool.cloche]\nrelocatable = true\n")
    assert cloche("--no-seed", "c").code == 0
    assert "relocatable = true\n" in (cloche.cwd / "c" / "pyvenv.cfg").read_text()
    environment = api.create(cloche.cwd / "d", seeds=None, relocatable=True)
    assert environment.placement == api.load(cloche.cwd / "d").placement == "relocatable"
    assert api.load(api.create(cloche.cwd / "e", seeds=None).location).placement == "fixed"


def test_cached_plans_are_separate_for_both_placements(cloche):
    for argv, expected in (([], b"#!/"), (["--relocatable"], b"#!/bin/sh --\n"), ([], b"#!/")):
        shutil.rmtree(cloche.cwd / "env", ignore_errors=True)
        assert cloche(*argv, "./env").code == 0
        script = (cloche.cwd / "env" / "bin" / "pip").read_bytes()
        assert script.startswith(expected)
        assert script.startswith(b"#!/bin/sh --\n") == bool(argv)


def test_a_dry_run_prints_the_placement(cloche):
    assert (
        cloche("--dry-run", "--json", "--relocatable", "./env").json["plan"]["environment"]["placement"]
        == "relocatable"
    )
    assert "\nplacement:  relocatable\n" in cloche("--dry-run", "--relocatable", "./env").out
    assert "\nplacement:  fixed\n" in cloche("--dry-run", "./env").out


def test_windows_launchers_use_the_python_in_their_own_directory(tmp_path):
    """`<launcher_dir>` is the notation of distlib's launchers."""
    scripts = "[gui_scripts]\nshow = spam:a\n[console_scripts]\nsay = spam:b\n"
    wheel = make_wheel(tmp_path / "wheels", "spam", "1.0", {"spam.py": ""}, entry_points=scripts)
    image = find_or_build_image(
        read_wheel(str(wheel)), api.find(), Store.open(host_with_home(tmp_path / "home"), str(tmp_path / "store"))
    )
    windows = fake_interpreter("cpython-3.12-windows")
    environment = fake_environment("C:\\work\\an env", windows, placement="relocatable", naming="directory")
    operations = image_operations(image, environment)
    contents = {operation.path: operation.content for operation in operations if isinstance(operation, Write)}
    assert b"#!<launcher_dir>\\python.exe\r\n" in contents["Scripts/say.exe"]
    assert b"#!<launcher_dir>\\pythonw.exe\r\n" in contents["Scripts/show.exe"]
    assert not any(b"an env" in content for content in contents.values())
