"""Test what becomes of files that contain the path of an environment when it is packed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.run import Cloche
from tests.tools import require

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portable environment, which no test changes."""
    directory = tmp_path_factory.mktemp("embedded")
    done = Cloche(directory, os.environ)("./env", "--creator", "portable", "--no-seed", "--link-mode", "copy")
    assert done.code == 0, done
    return directory / "env"


@pytest.fixture
def env(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "work" / "an env", symlinks=True)


@pytest.fixture
def cloche(env: Path) -> Cloche:
    return Cloche(env.parent, os.environ)


@pytest.fixture
def site(env: Path) -> Path:
    [found] = env.glob("lib/python3*/site-packages")
    return found


def output_of(*words: object, **variables: str) -> str:
    environ = {"PATH": os.defpath, **variables}
    return subprocess.run([*map(str, words)], check=True, capture_output=True, text=True, cwd="/", env=environ).stdout


def unpacked(cloche: Cloche, env: Path) -> Path:
    """Pack an environment without a warning, unpack it elsewhere when the old path is gone, and return its new path."""
    done = cloche("pack", env, "-o", "packed", "--format", "dir")
    assert (done.code, done.err) == (0, "")
    env.rename(env.with_name("gone"))
    done = cloche("unpack", "packed", "there")
    assert done.code == 0, done
    there = cloche.cwd / "there"
    assert [path for path in there.rglob("*") if path.is_file() and os.fsencode(env) in path.read_bytes()] == []
    return there


def test_a_line_of_a_pth_file_leads_to_the_unpacked_directory(cloche: Cloche, env: Path, site: Path) -> None:
    (env / "src").mkdir()
    (env / "src" / "spam.py").write_text("print(__file__)\n")
    (site / "spam.pth").write_text(f"{env}/src\nimport sys\n")

    there = unpacked(cloche, env)

    assert output_of(there / "bin" / "python", "-c", "import spam") == f"{there}/src/spam.py\n"


def test_a_kernel_of_jupyter_finds_the_python_of_its_environment(cloche: Cloche, env: Path) -> None:
    """Jupyter replaces `{resource_dir}` in a command with the directory of the kernel."""
    kernel = env / "share" / "jupyter" / "kernels" / "mine" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(json.dumps({"argv": [f"{env}/bin/python", "-f", "{connection_file}"], "display_name": "mine"}))

    there = unpacked(cloche, env)

    new = there / kernel.relative_to(env)
    program, *words = json.loads(new.read_text())["argv"]
    assert words == ["-f", "{connection_file}"]
    python = program.replace("{resource_dir}", str(new.parent))
    assert os.path.samefile(output_of(python, "-c", "import sys; print(sys.prefix)").strip(), there)


def test_pkg_config_finds_an_unpacked_library(cloche: Cloche, tmp_path: Path, original: Path) -> None:
    env = shutil.copytree(original, tmp_path / "work" / "env", symlinks=True)
    directory = env / "lib" / "pkgconfig"
    directory.mkdir(exist_ok=True)
    lines = [f"prefix={env}", "Name: spam", "Description: -", "Version: 1", f"Libs: -L{env}/lib/spam -lspam"]
    (directory / "spam.pc").write_text("\n".join([*lines, "Cflags: -I${prefix}/include", ""]))

    there = unpacked(Cloche(tmp_path / "work", os.environ), env)

    answer = output_of(
        require("pkg-config"), "--cflags", "--libs", "spam", PKG_CONFIG_PATH=f"{there}/lib/pkgconfig"
    ).split()
    assert [os.path.normpath(word[2:]) for word in answer[:2]] == [f"{there}/include", f"{there}/lib/spam"]


def test_an_unpacked_library_finds_the_one_that_it_needs(cloche: Cloche, env: Path, site: Path) -> None:
    compiler = require("cc")
    (env / "lib" / "needed").mkdir()
    source = env.parent / "source.c"
    source.write_text("int answer(void) { return 42; }")
    needed = env / "lib" / "needed" / "libneeded.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-Wl,-soname,libneeded.so", "-o", needed, source], check=True)
    source.write_text("int answer(void); int ask(void) { return answer(); }")
    path = f"-Wl,-rpath,{env}/lib/needed"
    library = site / "spam.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, needed, path], check=True)

    there = unpacked(cloche, env)

    code = f"import ctypes; print(ctypes.CDLL({str(there / library.relative_to(env))!r}).ask())"
    assert output_of(sys.executable, "-c", code) == "42\n"


def test_files_that_cannot_have_relative_paths_are_named(cloche: Cloche, env: Path, site: Path) -> None:
    """`cloche move` changes all of them, because it knows the new path."""
    files = {
        env / "bin" / "wrapper": f'#!/bin/sh\nexec "{env}/bin/python" "$@"\n',
        env / "lib" / "cmake" / "spam.cmake": f'set(SPAM_DIR "{env}/lib")\n',
        env / "share" / "jupyter" / "kernels" / "mine" / "kernel.json": json.dumps(
            {"argv": [f"{env}/bin/python"], "env": {"HERE": str(env)}, "display_name": "mine"}
        ),
        site / "spam.pth": f"import sys; sys.path.append({str(env / 'src')!r})\n",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    done = cloche("pack", env, "-o", "packed", "--format", "dir", "--json")

    assert done.code == 0
    assert done.json["unchanged_mentions"] == sorted(str(path.relative_to(env)) for path in files)
    *named, more = done.json["warnings"]
    assert [warning.split("`")[1] for warning in named] == done.json["unchanged_mentions"][:3]
    assert "1 more file" in more
    assert cloche("unpack", "packed", "there").code == 0
    for path, text in files.items():
        assert (cloche.cwd / "there" / path.relative_to(env)).read_text() == text


def test_a_directory_outside_that_a_pth_file_adds_is_named(cloche: Cloche, env: Path, site: Path) -> None:
    """Unlike an editable install, it belongs to no package that could be built."""
    outside = env.parent / "outside"
    outside.mkdir()
    (env / "src").mkdir()
    (site / "spam.pth").write_text(
        f"# a comment\n\n{outside}\n{env}/src\n/does/not/exist\nimport sys\n../../../../outside\n"
    )

    done = cloche("pack", env, "-o", "packed", "--format", "dir", "--json")

    assert done.code == 0
    relative = (site / "spam.pth").relative_to(env)
    warning = f"`{relative}` adds a directory that is outside the environment and not packed: `{outside}`"
    assert done.json["warnings"] == [warning]


@pytest.mark.parametrize("text", ["[]", "{", '{"argv": "ENV"}', "[" * 100_000, '{"argv": null, "x": "ENV"}'])
def test_a_damaged_kernel_is_packed_as_it_is(cloche: Cloche, env: Path, text: str) -> None:
    kernel = env / "share" / "jupyter" / "kernels" / "mine" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    kernel.write_text(text.replace("ENV", str(env)) + f"\n\n{env}/lib")

    done = cloche("pack", env, "-o", "packed", "--format", "dir")

    assert (done.code, "kernel.json` still contains" in done.err) == (0, True)
    assert (cloche.cwd / "packed" / kernel.relative_to(env)).read_text() == kernel.read_text()


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_a_packed_jupyter_starts_the_kernel_in_its_own_environment(tmp_path: Path) -> None:
    cloche = Cloche(tmp_path, os.environ)
    assert cloche("./env", "--creator", "portable").code == 0
    env = tmp_path / "env"
    subprocess.run([env / "bin" / "python", "-m", "pip", "install", "--quiet", "ipykernel"], check=True, cwd="/")
    subprocess.run([env / "bin" / "python", "-m", "ipykernel", "install", "--sys-prefix", "--name", "mine"], check=True)

    there = unpacked(cloche, env)

    code = (
        "from jupyter_client.manager import start_new_kernel\n"
        "manager, client = start_new_kernel(kernel_name='mine')\n"
        "shown = []\n"
        "client.execute_interactive('import sys; print(sys.prefix)', output_hook=shown.append, timeout=60)\n"
        "print(*[m['content']['text'] for m in shown if m['msg_type'] == 'stream'])\n"
        "manager.shutdown_kernel(now=True)\n"
    )
    home = str(tmp_path / "home")
    assert output_of(there / "bin" / "python", "-W", "ignore", "-c", code, HOME=home).strip() == str(there)
