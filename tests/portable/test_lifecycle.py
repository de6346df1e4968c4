"""Test the commands of cloche, and other tools, on portable environments."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.distributions import make_wheel
from tests.interpreters import pyenv
from tests.portable.conftest import BUILDS, Base, Portable, hidden_base, output_of
from tests.tools import require
from tests.trees import snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from tests.run import Cloche

every_build = pytest.mark.parametrize("base", BUILDS, indirect=True)


@every_build
def test_it_is_described_and_healthy(portable: Portable, cloche: Cloche) -> None:
    info = cloche("info", "env", "--json").json
    text = cloche("info", "env").out
    doctor = cloche("doctor", "env")

    assert {"portable", "relocatable"} <= set(info["options"])
    assert not {"home", "executable", "base-prefix", "base-executable", "command"} & info["config"].keys()
    assert info["config"]["options"] == "--creator portable --relocatable"
    assert info["environment"]["interpreter"]["prefix"] == str(portable.root)
    assert ", in the environment" in text
    assert info["needs"]["platform_tag"].startswith(f"manylinux_{info['needs']['glibc'].replace('.', '_')}_")
    assert (doctor.code, doctor.out) == (0, f"{portable.root}: healthy\n")


def test_a_library_that_is_missing_is_found(portable: Portable, cloche: Cloche) -> None:
    """A name of the same length that no library has."""
    (module,) = portable.root.glob("lib/python*/lib-dynload/_bz2*.so")
    content = module.read_bytes()
    module.unlink()
    module.write_bytes(content.replace(b"libbz2.so.1.0\0", b"libbzx.so.1.0\0"))

    doctor = cloche("doctor", "env")

    assert doctor.code == 1
    assert "library-missing" in doctor.out
    assert "`libbzx.so.1.0` is not installed" in doctor.out
    assert "libbzx.so.1.0" in cloche("info", "env").out


def test_a_file_of_the_interpreter_that_is_missing_or_altered_is_found(portable: Portable, cloche: Cloche) -> None:
    library = portable.root / "lib" / "python3.12"
    (library / "argparse.py").unlink()
    (library / "json" / "decoder.py").unlink()
    (library / "json" / "decoder.py").write_text("raise SystemExit\n")
    next((portable.root / "lib").glob("libpython3.12.so.1.p")).unlink()

    (found,) = cloche("doctor", "env", "--json").json["environments"]

    codes = {finding["code"]: finding["message"] for finding in found["findings"]}
    assert "and 1 more" in codes["record-missing"]
    assert "was modified after it was installed" in codes["record-altered"]
    assert codes.keys() == {"record-missing", "record-altered"}, "consequences are not findings of their own"


@pytest.mark.parametrize("action", ["move", "move --copy"])
def test_it_is_moved_and_copied(portable: Portable, cloche: Cloche, action: str) -> None:
    before = snapshot(portable.root)

    done = cloche(*action.split(), "env", "there")

    assert (done.code, done.err) == (0, "")
    assert snapshot(cloche.cwd / "there").without_bytecode() == before.without_bytecode()
    assert output_of(cloche.cwd / "there/bin/python", "-c", "import sys; print(sys.prefix)") == str(
        cloche.cwd / "there"
    )


def test_a_copy_shares_the_files_that_are_not_changed(portable: Portable, cloche: Cloche) -> None:
    """Files of the cache are read-only, and environments share them anyway; a file of the user is copied."""
    (portable.root / "notes").write_text("mine")
    cloche("move", "--copy", "env", "there")
    (module,) = portable.root.glob("lib/python*/os.py")
    copied = cloche.cwd / "there" / module.relative_to(portable.root)

    assert os.stat(copied).st_nlink == os.stat(module).st_nlink
    assert not os.path.samefile(portable.root / "notes", cloche.cwd / "there" / "notes")
    if os.stat(module).st_nlink > 1:
        assert os.path.samefile(module, copied)


def test_an_upgrade_creates_a_portable_environment_again(portable: Portable, cloche: Cloche, tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path / "wheels", "spam", "1.0", {"spam.py": "import sys\ndef main(): print(sys.version_info[:2])\n"}
    )
    output_of(portable.root / "bin" / "pip", "install", "--no-index", wheel, env={"HOME": str(tmp_path)})
    (portable.root / "notes").write_text("mine")

    done = cloche("upgrade", "env", "-p", pyenv("3.13"))

    assert done.code == 0, done.err
    assert output_of(portable.python, "-c", "import spam; spam.main()") == "(3, 13)"
    assert (portable.root / "notes").read_text() == "mine"
    assert sorted(path.name for path in portable.root.glob("lib/python*")) == ["python3.13"]
    assert "portable" in cloche("info", "env", "--json").json["options"]
    assert cloche("doctor", "env").code == 0


def test_it_is_up_to_date_for_the_version_that_it_has(portable: Portable, cloche: Cloche) -> None:
    before = snapshot(portable.root)

    assert cloche("upgrade", "env", "-p", portable.base.executable).out.startswith("up to date")
    assert snapshot(portable.root) == before


def test_a_command_runs_in_it(portable: Portable, cloche: Cloche) -> None:
    done = cloche("run", "env", "--", "python", "-c", "import sys; print(sys.prefix)")

    assert done.out == f"{portable.root}\n"


def test_it_is_refreshed(portable: Portable, cloche: Cloche) -> None:
    """A module that was deleted is there again, and a file of the user stays."""
    (module,) = portable.root.glob("lib/python*/argparse.py")
    module.unlink()
    (portable.root / "notes").write_text("mine")

    done = cloche("./env", "--creator", "portable", "-p", portable.base.executable)

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("refreshed")
    assert module.is_file()
    assert (portable.root / "notes").read_text() == "mine"


@pytest.mark.parametrize("beside", ["files", "project"])
def test_clear_replaces_it_and_nothing_else(base: Base, cloche: Cloche, beside: str) -> None:
    """In a project, `lib`, `bin`, `etc` and the standard library may also contain files of others."""
    root = cloche.cwd / "env"
    mine = ["notes", "etc/mine"]
    if beside == "project":
        mine += ["pyproject.toml", "bin/deploy", "lib/code.c", "lib/python3.12/json/mine.txt"]
    options = ("--creator", "portable", "--carry-libraries", "-p", base.executable)
    for path in mine if beside == "project" else []:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("precious")
    assert cloche("./env", *options).code == 0
    output_of(root / "bin/python", "-c", "import http.server")
    for path in mine:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("precious")

    done = cloche("./env", "--clear", "--no-seed", "-p", base.executable)

    assert (done.code, done.err) == (0, ""), done
    assert [path for path in mine if (root / path).read_text() != "precious"] == []
    new = {"bin", "lib", "lib64", "include", "pyvenv.cfg", ".cloche-manifest", "CACHEDIR.TAG", ".gitignore"}
    assert set(os.listdir(root)) - new == {path.split("/")[0] for path in mine} - new
    library = [path for path in (root / "lib" / "python3.12").rglob("*") if not path.is_dir()]
    assert [path.name for path in library if "site-packages" not in path.parts] == (
        ["mine.txt"] if beside == "project" else []
    )
    assert not list(root.glob("lib/lib*"))
    assert output_of(root / "bin/python", "-c", "import json, sys; print(sys.prefix)") == str(root)
    assert cloche("doctor", "env").code == 0


@pytest.mark.parametrize(
    "options", [(), ("--prompt", "other"), ("--no-seed",), ("--creator", "builtin"), ("--stdlib", "full")]
)
def test_a_refresh_keeps_its_creator(portable: Portable, cloche: Cloche, options: tuple[str, ...]) -> None:
    done = cloche("./env", *options, "-p", portable.base.executable)

    assert done.code == 0, done.err
    assert "portable" in cloche("info", "env", "--json").json["options"]
    assert (portable.root / "bin" / "python").resolve().is_relative_to(os.path.realpath(portable.root))
    assert output_of(portable.python, "-c", "import sys; print(sys.prefix)") == str(portable.root)
    assert cloche("doctor", "env").code == 0


def test_another_environment_without_home_does_not_become_portable(cloche: Cloche) -> None:
    """A damaged `pyvenv.cfg` may lack the key."""
    cloche("./env", "-p", pyenv("3.12"), "--no-seed")
    config = cloche.cwd / "env" / "pyvenv.cfg"
    config.write_text("".join(line for line in config.read_text().splitlines(True) if not line.startswith("home")))
    before = snapshot(cloche.cwd / "env")

    done = cloche("./env", "-p", pyenv("3.12"), "--no-seed")

    assert done.code == 4
    assert snapshot(cloche.cwd / "env") == before


@pytest.mark.parametrize("creator", ["symlink", "copy"])
def test_it_does_not_become_another_environment(portable: Portable, cloche: Cloche, creator: str) -> None:
    before = snapshot(portable.root)

    done = cloche("./env", "--creator", creator, "-p", portable.base.executable)

    assert done.code == 4
    assert "is a portable environment, which contains its own Python" in done.err
    assert snapshot(portable.root) == before


def test_another_environment_does_not_become_portable(cloche: Cloche) -> None:
    cloche("./env", "-p", pyenv("3.12"))
    before = snapshot(cloche.cwd / "env")

    done = cloche("./env", "--creator", "portable", "-p", pyenv("3.12"))

    assert done.code == 4
    assert "is an environment that uses the Python in" in done.err
    assert snapshot(cloche.cwd / "env") == before


def test_virtualenv_and_uv_accept_it(portable: Portable, tmp_path: Path) -> None:
    program = "import sys; print(sys.prefix, sys.base_prefix)"
    tools = [
        [sys.executable, "-m", "virtualenv", "--no-download", "-p"],
        [require("uv"), "venv", "--offline", "-p"],
    ]
    for number, tool in enumerate(tools):
        root = tmp_path / f"other{number}"
        done = subprocess.run([*tool, portable.python, str(root)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert output_of(root / "bin" / "python", "-c", program) == f"{root} {portable.root}"


@pytest.mark.parametrize("option", [(), ("--no-compile",)])
def test_its_packages_are_compiled_at_once(cloche: Cloche, base: Base, tmp_path: Path, option: tuple[str, ...]) -> None:
    """It may be read-only where it is used, and `cloche pack` then need not compile."""
    name = f"spam{len(option)}"
    wheel = make_wheel(tmp_path, name, files={f"{name}.py": "x = 1\n"})

    done = cloche("./env", "--creator", "portable", "-p", base.executable, "--no-deps", "--seed", name, *option,
                  "--find-links", str(wheel.parent))  # fmt: skip

    assert done.code == 0, done
    assert bool(list((cloche.cwd / "env").rglob(f"{name}.*.pyc"))) == (not option)


def test_the_whole_standard_library_is_included_on_request(cloche: Cloche) -> None:
    done = cloche("./env", "--creator", "portable", "--stdlib", "full", "--no-seed", "-p", pyenv("3.12"), "--dry-run")
    assert done.code == 0, done.err
    cloche("./env", "--creator", "portable", "--stdlib", "full", "--no-seed", "-p", pyenv("3.12"))

    assert output_of(cloche.cwd / "env/bin/python", "-c", "import test, idlelib; print(1)") == "1"
    assert "stdlib full" in cloche("info", "env").out


def test_the_tests_of_the_standard_library_are_left_out(portable: Portable) -> None:
    names = {path.name for path in portable.root.rglob("*")}

    assert not names & {"idlelib", "turtledemo", "EXTERNALLY-MANAGED"}
    assert list(portable.root.rglob("*.a")) == []
    assert not (portable.root / "lib" / "python3.12" / "test").exists()


def test_an_installed_environment_stays_complete_without_its_base(portable: Portable, tmp_path: Path) -> None:
    """Packages with scripts are installed while the base is hidden."""
    wheel = make_wheel(tmp_path / "wheels", "spam", "1.0", {"spam.py": "def main(): print('said')\n"})
    script = (
        'env -i HOME=/tmp PATH=/usr/bin:/bin "$1/bin/pip" install -q --no-index "$2"\n'
        '"$1/bin/python" -c "import spam; spam.main()"'
    )

    done = hidden_base(portable.base, script, portable.root, wheel)

    assert (done.returncode, done.stdout) == (0, "said\n"), done.stderr
