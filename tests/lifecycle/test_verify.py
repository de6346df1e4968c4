"""Test that `cloche verify` finds every change of an environment, and nothing in one that was not changed."""

from __future__ import annotations

import hashlib
import os
import py_compile
import random
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from cloche.errors import ClocheError
from cloche.lifecycle.verify import Verifier, verify_environment
from cloche.session import Session, current_host
from tests.distributions import make_wheel, record_hash
from tests.interpreters import pyenv
from tests.lifecycle.environments import every_tool, find_tool, run
from tests.locks import package, pylock, simple_wheel, wheel_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from cloche.lifecycle.verify import Difference
    from tests.run import Cloche

ONE = "[console_scripts]\none = one:main\n"

CHANGES = 100
"""The number of changes that one test makes at the same time."""


@pytest.fixture
def env(cloche: Cloche) -> Path:
    """Return an environment with pip and with bytecode, none of whose files is shared with the cache."""
    done = cloche("./env", "--link-mode", "copy")
    assert done.code == 0, done.err
    return cloche.cwd / "env"


@pytest.fixture
def verify(cloche: Cloche) -> Callable[[Path], list[Difference]]:
    """Return a function that returns the differences of an environment."""

    def differences(path: Path) -> list[Difference]:
        with Session(current_host(cloche.environ)) as session:
            return list(verify_environment(str(path), session).differences)

    return differences


def site_of(env: Path) -> Path:
    [site] = env.glob("lib/python*/site-packages")
    return site


def kinds(differences: Iterable[Difference]) -> set[tuple[str, str]]:
    return {(difference.kind, difference.path.rpartition("/")[2]) for difference in differences}


def change_a_byte(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    at = chance.randrange(len(content))
    content[at] ^= chance.randrange(1, 256)
    if chance.random() < 0.5:
        write(path, bytes(content))
    else:
        path.chmod(0o644 | path.stat().st_mode & 0o111)
        path.write_bytes(content)


def write(path: Path, content: bytes) -> None:
    """Write a file that may be read-only, and keep its times, as someone would who wants to hide the change."""
    status = path.stat()
    path.chmod(0o644 | status.st_mode & 0o111)
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("seed", range(10))
def test_every_random_change_is_found(seed: int, env: Path, verify: Callable[[Path], list[Difference]]) -> None:
    chance = random.Random(seed)
    files = [path for path in sorted(env.rglob("*")) if path.is_file() and path.name not in CONFIGURATION]
    changed: dict[str, str] = {}
    for path in chance.sample(files, CHANGES):
        where = path.relative_to(env).as_posix()
        action = chance.choice(["change", "change", "delete", "add"])
        if action == "add":
            name = chance.choice(["notes.txt", "sitecustomize.py", "planted.pth", "planted.pyc", f"planted.{TAG}.pyc"])
            where = (path.parent / name).relative_to(env).as_posix()
            if path.parent == env:
                continue
            (path.parent / name).write_bytes(b"import os\n")
        elif action == "delete" and path.suffix != ".pyc":  # Python writes bytecode again
            path.unlink()
        elif path.is_symlink() or not path.stat().st_size:
            continue
        else:
            change_a_byte(path, chance)
        changed[where] = action

    reported = {difference.path for difference in verify(env)}

    assert {where: action for where, action in changed.items() if where not in reported} == {}
    assert (
        reported - changed.keys()
        == {path for path in reported if path.endswith(".pyc") and source_of(path) in changed} - changed.keys()
    )


CONFIGURATION = ("pyvenv.cfg", ".cloche-manifest")
TAG = "cpython-399"


def source_of(path: str) -> str:
    """Return the source of a bytecode file."""
    directory, _, name = path.partition("__pycache__/")
    return f"{directory}{name.partition('.')[0]}.py"


@pytest.mark.parametrize("name", CONFIGURATION)
def test_every_change_of_the_configuration_is_found(
    name: str, env: Path, verify: Callable[[Path], list[Difference]]
) -> None:
    original = (env / name).read_bytes()
    for seed in range(8):
        change_a_byte(env / name, random.Random(seed))
        try:
            assert verify(env) != []
        except ClocheError:
            pass  # it is not the configuration of an environment any more
        (env / name).write_bytes(original)
    assert verify(env) == []


def test_a_record_that_was_changed_together_with_its_file_is_found(
    env: Path, verify: Callable[[Path], list[Difference]]
) -> None:
    site = site_of(env)
    module, record = site / "pip" / "__main__.py", next(site.glob("pip-*.dist-info/RECORD"))
    old = module.read_bytes()
    write(module, old + b"# changed\n")
    text = record.read_text()
    new = old + b"# changed\n"
    changed = text.replace(f"{record_hash(old)},{len(old)}", f"{record_hash(new)},{len(new)}")
    assert changed != text
    write(record, changed.encode())
    manifest = env / ".cloche-manifest"
    digests = {line.partition("  ")[2]: line for line in manifest.read_text().splitlines()}
    path = record.relative_to(env).as_posix()
    new_line = f"{hashlib.sha256(changed.encode()).hexdigest()}  {path}"
    manifest.write_text(manifest.read_text().replace(digests[path], new_line))

    assert ("modified", "RECORD") in kinds(verify(env))


def test_bytecode_that_python_wrote_is_not_a_difference(
    env: Path, cloche: Cloche, verify: Callable[[Path], list[Difference]]
) -> None:
    for path in site_of(env).rglob("*.pyc"):
        path.unlink()
    run(env / "bin" / "python", "-m", "pip", "--version", environ=cloche.environ)
    run(env / "bin" / "python", "-O", "-c", "import pip._internal.cli.main", environ=cloche.environ)

    assert any(site_of(env).rglob("*.pyc"))
    assert verify(env) == []
    shutil.move(env, cloche.cwd / "moved")
    assert {item.kind for item in verify(cloche.cwd / "moved")} <= {"modified"}  # `cloche move` rewrites the scripts


def test_bytecode_with_other_code_is_found(
    env: Path, verify: Callable[[Path], list[Difference]], tmp_path: Path
) -> None:
    """The header names the time and the size of the source, so Python runs the code."""
    source = site_of(env) / "pip" / "__init__.py"
    [target] = source.parent.glob("__pycache__/__init__.*.pyc")
    planted = tmp_path / "planted.py"
    planted.write_text("print('planted')\n")
    py_compile.compile(str(planted), cfile=str(tmp_path / "planted.pyc"))
    write(target, target.read_bytes()[:16] + (tmp_path / "planted.pyc").read_bytes()[16:])

    assert [(item.kind, item.path) for item in verify(env)] == [("bytecode", target.relative_to(env).as_posix())]


@pytest.mark.parametrize("name", ["METADATA", "RECORD"])
def test_a_package_without_usable_metadata_is_still_verified(
    name: str, env: Path, verify: Callable[[Path], list[Difference]]
) -> None:
    site = site_of(env)
    next(site.glob(f"pip-*.dist-info/{name}")).unlink()
    (site / "pip" / "__main__.py").unlink()
    write(site / "pip" / "__init__.py", b"import os\n")

    assert {("missing", name), ("missing", "__main__.py"), ("modified", "__init__.py")} <= kinds(verify(env))


def test_anything_but_a_regular_file_is_reported(env: Path, verify: Callable[[Path], list[Difference]]) -> None:
    [record] = site_of(env).glob("pip-*.dist-info/RECORD")
    for path in (record, env / "bin" / "activate"):
        path.unlink()
        path.mkdir()
    (env / "bin" / "python").unlink()
    os.mkfifo(env / "bin" / "python")

    assert {("modified", "RECORD"), ("modified", "activate"), ("modified", "python")} <= kinds(verify(env))


def test_a_record_with_a_path_that_no_file_can_have_is_verified(
    env: Path, verify: Callable[[Path], list[Difference]]
) -> None:
    [record] = site_of(env).glob("pip-*.dist-info/RECORD")
    write(record, record.read_bytes() + b"a\0b,,\n")

    assert kinds(verify(env)) == {("modified", "RECORD")}


def test_a_package_that_pip_installed_in_place_of_a_seed_is_not_a_difference(
    cloche: Cloche, verify: Callable[[Path], list[Difference]]
) -> None:
    """But what is left of the seed is, and so is a change of the new package."""
    wheels = cloche.cwd / "wheels"
    for version in ("1.0", "2.0"):
        make_wheel(wheels, "one", version, {"one.py": f"VERSION = '{version}'\n"}, entry_points=ONE)
    env = cloche.cwd / "env"
    assert cloche("./env", "--find-links", wheels, "--no-download", "--seed", "pip", "--seed", "one==1.0").code == 0
    pip = [env / "bin" / "python", "-m", "pip", "install", "-q", "--no-index", "--find-links", wheels]
    for options in (["--force-reinstall", "one==1.0"], ["one==2.0"]):
        run(*pip, *options)
        assert verify(env) == []
    write(env / "bin" / "one", b"#!/bin/sh\n")
    (site_of(env) / "one-2.0.dist-info" / "INSTALLER").write_text("other\n")

    assert {("modified", "one"), ("modified", "INSTALLER")} <= kinds(verify(env))


@pytest.mark.parametrize("change", ["moved", "replaced", "edited"])
def test_a_change_during_the_comparison_is_not_reported(
    change: str,
    env: Path,
    verify: Callable[[Path], list[Difference]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compare = Verifier.compare_contents

    def changed_meanwhile(self: Verifier, paths: list[str]) -> None:
        if change == "edited":
            write(env / ".cloche-manifest", b"")
            (env / ".cloche-manifest").touch()
        else:
            env.rename(env.parent / "elsewhere")
        if change == "replaced":
            shutil.copytree(env.parent / "elsewhere", env, symlinks=True)
        compare(self, paths)

    monkeypatch.setattr(Verifier, "compare_contents", changed_meanwhile)

    with pytest.raises(ClocheError, match="another process has changed"):
        verify(env)


def test_links_that_lead_elsewhere_are_found(env: Path, verify: Callable[[Path], list[Difference]]) -> None:
    for name, target in (("python3", "/bin/sh"), ("python", "/nowhere")):
        (env / "bin" / name).unlink()
        (env / "bin" / name).symlink_to(target)

    found = verify(env)

    assert {("link", "python3"), ("link", "python")} <= kinds(found)


def test_a_link_to_a_directory_of_modules_is_found(env: Path, verify: Callable[[Path], list[Difference]]) -> None:
    site = site_of(env)
    shutil.move(site / "pip", env.parent / "elsewhere")
    (site / "pip").symlink_to(env.parent / "elsewhere")

    assert kinds(verify(env)) == {("added", "pip")}


def test_the_files_behind_a_link_to_a_directory_are_compared(
    env: Path, verify: Callable[[Path], list[Difference]]
) -> None:
    """pdm links whole directories to its cache; so does `virtualenv --symlink-app-data`."""
    site = site_of(env)
    shutil.move(site / "pip", env.parent / "cache")
    (site / "pip").symlink_to(env.parent / "cache")
    write(env.parent / "cache" / "__init__.py", b"changed = True\n")
    (env.parent / "cache" / "utils").mkdir(exist_ok=True)
    (env.parent / "cache" / "new.py").touch()
    (env.parent / "cache" / "__main__.py").unlink()

    assert kinds(verify(env)) >= {("modified", "__init__.py"), ("added", "new.py"), ("missing", "__main__.py")}


@pytest.mark.parametrize("change", [False, True])
def test_an_environment_of_another_tool_may_link_its_packages(
    empty_env: Callable[[str], Path], tmp_path: Path, verify: Callable[[Path], list[Difference]], change: bool
) -> None:
    env, content = empty_env("venv"), b"ONE = 1\n"
    cache, metadata = tmp_path / "cache", site_of(env) / "one-1.0.dist-info"
    cache.mkdir()
    metadata.mkdir()
    (cache / "__init__.py").write_bytes(b"ONE = 2\n" if change else content)
    (site_of(env) / "one").symlink_to(cache)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: one\nVersion: 1.0\n")
    rows = ["one-1.0.dist-info/METADATA,,", "one-1.0.dist-info/RECORD,,"]
    (metadata / "RECORD").write_text("\n".join([f"one/__init__.py,{record_hash(content)},{len(content)}", *rows]))

    assert kinds(verify(env)) == ({("modified", "__init__.py")} if change else set())


def test_permissions_are_verified(env: Path, verify: Callable[[Path], list[Difference]]) -> None:
    (env / "bin" / "pip").chmod(0o644)
    (env / "bin" / "activate").chmod(0o666)
    (site_of(env) / "pip" / "__init__.py").chmod(0o4644)

    assert kinds(verify(env)) == {("mode", "pip"), ("mode", "activate"), ("mode", "__init__.py")}


def test_data_files_of_a_wheel_are_not_reported(
    cloche: Cloche, verify: Callable[[Path], list[Difference]], tmp_path: Path
) -> None:
    """One that is no program, in the directory for programs, and one behind the link `lib64`."""
    files = {"spam.py": "", "spam-1.0.data/data/bin/spam.txt": "text", "spam-1.0.data/data/lib64/spam.txt": "text"}
    wheel = make_wheel(tmp_path / "wheels", files=files)
    created = cloche("./env", "--seed", "spam", "--find-links", wheel.parent)
    assert created.code == 0, created.err

    assert verify(cloche.cwd / "env") == []

    (cloche.cwd / "env" / "lib" / "spam.txt").write_text("changed")
    assert kinds(verify(cloche.cwd / "env")) == {("modified", "spam.txt")}


def test_packages_that_are_not_those_of_the_lock_file_are_found(
    cloche: Cloche, verify: Callable[[Path], list[Difference]]
) -> None:
    wheels = cloche.cwd / "wheels"
    one, two, other = (simple_wheel(wheels, name) for name in ("one", "two", "other"))
    lock = cloche.cwd / "pylock.toml"
    lock.write_text(pylock([package("one", wheels=[one]), package("two", wheels=[two])]))
    options = ("--lock", lock, "--find-links", wheels, "--no-download")
    assert cloche("./env", *options).code == 0
    assert verify(cloche.cwd / "env") == []

    newer = wheel_entry("one-2.0-py3-none-any.whl")
    lock.write_text(pylock([package("one", "2.0", wheels=[newer]), package("other", wheels=[other])]))

    assert [item.message for item in verify(cloche.cwd / "env") if item.kind == "lock"] == [
        "lacks other 1.0",
        "is 1.0, but 2.0 is locked",
        "is not in the lock file",
    ]

    lock.write_text(pylock([package("one", wheels=[wheel_entry(one.name)]), package("two", wheels=[two])]))

    assert [item.message for item in verify(cloche.cwd / "env")] == [
        "was installed from a file that is not the locked one"
    ]


@pytest.mark.parametrize("created_by", every_tool("venv", "uv"))
def test_environments_of_every_tool_can_be_verified(
    created_by: str, populated_env: Callable[..., Path], verify: Callable[[Path], list[Difference]]
) -> None:
    env = populated_env(created_by)
    planted = {"by-hand", "kernel.json", "extra.pth"}

    found = kinds(verify(env))

    assert {name for _, name in found} <= planted | {path.name for path in (env / "src").rglob("*")}
    assert {kind for kind, _ in found} == {"added"}


def test_the_command_prints_a_line_for_each_difference(env: Path, cloche: Cloche) -> None:
    assert cloche("verify", "env").out.startswith(f"{env}: verified, ")
    (env / "bin" / "planted").write_text("")
    (env / "bin" / "pip").unlink()

    done = cloche("verify", "env")

    assert done.code == 1
    assert [line.partition(":")[0] for line in done.out.splitlines()] == ["missing", "added"]
    printed = cloche("verify", "env", "--json")
    assert printed.code == 1
    assert not printed.json["verified"]
    assert [item["path"] for item in printed.json["differences"]] == ["bin/pip", "bin/planted"]


def test_the_manifest_can_be_checked_with_sha256sum(env: Path) -> None:
    tool = find_tool("sha256sum")
    done = subprocess.run([tool, "--check", "--quiet", ".cloche-manifest"], cwd=env, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"")


def test_bytecode_that_links_to_the_cache_is_compared(
    cloche: Cloche, verify: Callable[[Path], list[Difference]], tmp_path: Path
) -> None:
    """It belongs to a package if its RECORD says so, but another link does not."""
    done = cloche("./env", "--link-mode", "symlink", "--compile", "-p", pyenv("3.12"))
    assert done.code == 0, done.err
    env = cloche.cwd / "env"
    assert verify(env) == []
    bytecode = sorted(path for path in env.rglob("*.pyc") if path.is_symlink())
    damaged = tmp_path / "damaged.pyc"
    damaged.write_bytes(bytecode[0].read_bytes()[:-1] + b"x")
    bytecode[0].unlink()
    bytecode[0].symlink_to(damaged)
    added = bytecode[0].with_name(bytecode[0].name.replace(".pyc", ".opt-1.pyc"))
    added.symlink_to(damaged)

    reported = {difference.path for difference in verify(env)}

    assert reported == {path.relative_to(env).as_posix() for path in (bytecode[0], added)}


@pytest.mark.parametrize("creator", ["symlink", "copy", "venv", "portable"])
def test_environments_of_every_creator_can_be_verified(
    creator: str, cloche: Cloche, verify: Callable[[Path], list[Difference]]
) -> None:
    done = cloche("./env", "--creator", creator, "-p", pyenv("3.12"))
    assert done.code == 0, done.err

    assert verify(cloche.cwd / "env") == []
