"""Test which images an upgrade installs: they hold what was installed, nothing that was edited, and replace no wheel."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from cloche.api import open_session
from cloche.lifecycle import examination
from cloche.lifecycle.upgrade.plan import plan_upgrade
from cloche.lifecycle.upgrade.rebuild import rebuild
from tests.distributions import MODULE, make_wheel
from tests.lifecycle.environments import record_problems, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager
    from pathlib import Path
    from subprocess import Popen

    from cloche.model.interpreter import Host
    from tests.run import Cloche

OLD, NEW = "3.11", "3.12"
FILES = {
    "spam.py": MODULE,
    "spam-1.0.data/scripts/by-wheel": "#!python\nprint('by wheel')\n",
    "spam-1.0.data/scripts/shell": "#!/usr/bin/env sh\necho shell\n",
    "spam-1.0.data/data/share/spam/menu.txt": "spam\n",
}


@pytest.fixture
def install(cloche: Cloche, empty_env: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Return a function that creates an environment of the old Python and installs wheels with pip."""

    def install_in_new_env(name: str, *wheels: Path) -> Path:
        env = empty_env("venv", OLD, name=name)
        pip = ["-m", "pip", "--python", env / "bin" / "python", "install", "-q", "--no-index", "--no-deps"]
        run(sys.executable, *pip, f"--find-links={tmp_path / 'wheels'}", *wheels)
        return env

    return install_in_new_env


def upgrade(cloche: Cloche, env: Path, tmp_path: Path, **variables: str) -> object:
    """Upgrade an environment with a cache of the test's own."""
    outcome = cloche("upgrade", env, "-p", NEW, "--json", XDG_CACHE_HOME=str(tmp_path / "cache"), **variables)
    assert outcome.code == 0, outcome.err
    assert record_problems(env) == []
    return outcome.json


def images_of(tmp_path: Path, name: str) -> list[Path]:
    return sorted((tmp_path / "cache" / "cloche" / "images").glob(f"*/{name}-*"))


def test_pip_is_asked_only_once_for_another_build(cloche, install, tmp_path: Path) -> None:
    for tag in ("cp311", "cp312"):
        files = {"fast.py": f"WHICH = {tag!r}\n"}
        make_wheel(
            tmp_path / "wheels", "fast", files=files, tags=[f"{tag}-{tag}-linux_x86_64"], pure=False, entry_points=""
        )
    envs = [install(name, "fast") for name in ("one", "two")]
    variables = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}

    for env in envs:
        report = upgrade(cloche, env, tmp_path, **variables)
        assert (report["installed"], report["losses"]) == (["fast==1.0"], [])
        assert run(env / "bin" / "python", "-c", "import fast; print(fast.WHICH)") == "cp312\n"
        shutil.rmtree(tmp_path / "wheels", ignore_errors=True)  # pip would fail now


def test_files_outside_site_packages_are_part_of_the_image(cloche, install, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "wheels", files=FILES)
    for name in ("one", "two"):
        env = install(name, wheel)
        upgrade(cloche, env, tmp_path)
        assert run(env / "bin" / "by-wheel") == "by wheel\n"
        assert run(env / "bin" / "shell") == "shell\n"
        assert run(env / "bin" / "spam").strip() == "spam"
        assert (env / "share" / "spam" / "menu.txt").stat().st_nlink > 1
        assert str(env) in (env / "bin" / "by-wheel").read_text()
    [image] = images_of(tmp_path, "spam")
    assert all(os.fsencode(cloche.cwd) not in path.read_bytes() for path in image.rglob("*") if path.is_file())


def test_a_copied_environment_shares_the_image_of_a_package_with_scripts(cloche, install, tmp_path: Path) -> None:
    """Its scripts still name the environment that it was copied from."""
    env = install("one", make_wheel(tmp_path / "wheels", files=FILES))
    copy = env.with_name("copy")
    shutil.copytree(env, copy, symlinks=True)
    for upgraded in (copy, env):
        upgrade(cloche, upgraded, tmp_path)
        assert run(upgraded / "bin" / "by-wheel") == "by wheel\n"
        assert str(upgraded) in (upgraded / "bin" / "by-wheel").read_text()
        assert next(upgraded.glob("lib/*/site-packages/spam.py")).stat().st_nlink > 1
    [_] = images_of(tmp_path, "spam")


def test_pip_is_started_only_if_nobody_knows_whether_it_runs(
    cloche, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes longer than everything else that an upgrade does for an environment without packages."""
    one, two = (cloche.cwd / name for name in ("one", "two"))
    for env in (one, two):
        assert cloche(env, "-p", OLD).code == 0
    started: list[str] = []
    real = examination.start_python

    def start(executable: str, host: Host, options: Iterable[str] = ()) -> AbstractContextManager[Popen[bytes]]:
        if "--seed" in options:
            started.append(executable)
        return real(executable, host, options)

    monkeypatch.setattr(examination, "start_python", start)
    with open_session(environ=cloche.environ, cache=tmp_path / "cache") as session:
        assert plan_upgrade(str(one), [OLD], "keep", session).kind == "nothing"
        assert started == []
        for env in (one, two):
            rebuild(plan_upgrade(str(env), [NEW], "keep", session), session)
        [executable] = started
        assert executable.startswith(str(one.parent / f".{one.name}.cloche-"))
    for env in (one, two):
        assert run(env / "bin" / "pip", "--version").startswith("pip ")


@pytest.mark.parametrize("time", ["new", "old"])
def test_an_edited_file_never_gets_into_an_image(cloche, install, tmp_path: Path, time: str) -> None:
    """Even if its size and its time say that it is as it was installed."""
    wheel = make_wheel(tmp_path / "wheels", files={"spam.py": MODULE, "menu.py": "EGGS = 1\n"})
    env = install("env", "spam")
    edited = next(env.glob("lib/*/site-packages/menu.py"))
    status = edited.stat()
    edited.write_text("EGGS = 2\n")
    if time == "old":
        os.utime(edited, ns=(status.st_atime_ns, status.st_mtime_ns))
    cached = edited.parent / "__pycache__" / f"spam.cpython-{NEW.replace('.', '')}.pyc"
    cached.write_bytes(b"not bytecode")

    variables = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent)}
    outcome = cloche(
        "upgrade", env, "-p", NEW, "--json", "--allow-loss", XDG_CACHE_HOME=str(tmp_path / "cache"), **variables
    )

    assert outcome.code == 0, outcome.err
    edits = [str(edited.relative_to(env))] if time == "new" else []  # otherwise the file is copied, with the edit
    assert [loss["what"] for loss in outcome.json["losses"]] == edits
    for image in images_of(tmp_path, "spam"):
        assert (image / "purelib" / "menu.py").read_text() == "EGGS = 1\n"
        assert all(path.read_bytes() != b"not bytecode" for path in image.rglob("*.pyc"))
    assert len(images_of(tmp_path, "spam")) == (time == "new")


def test_a_damaged_image_is_created_again(cloche, install, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "wheels")
    upgrade(cloche, install("one", wheel), tmp_path)
    [image] = images_of(tmp_path, "spam")
    (image / "purelib" / "spam.py").chmod(0o644)
    (image / "purelib" / "spam.py").write_text("damaged = True\n")

    two = install("two", wheel)
    upgrade(cloche, two, tmp_path)

    assert next(two.glob("lib/*/site-packages/spam.py")).read_text() == MODULE


def test_the_second_environment_gets_the_bytecode_of_the_new_python(cloche, install, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "wheels", files=FILES)
    found = []
    for name in ("one", "two"):
        env = install(name, wheel)
        upgrade(cloche, env, tmp_path)
        found.append([path.name for path in env.glob("lib/*/site-packages/__pycache__/spam.*")])
        assert run(env / "bin" / "by-wheel") == "by wheel\n"
    assert found == [[], ["spam.cpython-312.pyc"]]
