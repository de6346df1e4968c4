"""Test that `cloche plugins new KIND` writes a plugin that loads, works and keeps its contract."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import cloche as api
from cloche.cli.new_plugin import PLUGIN_KINDS, PUBLISHED
from cloche.plugins import hookspecs
from tests.run import Cloche, clean_environ
from tests.test_architecture import REPOSITORY, tomllib

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENDS = (".tar.gz", "-py3-none-any.whl")


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    (tmp_path / "work").mkdir()
    return Cloche(tmp_path / "work", clean_environ(tmp_path / "home", tmp_path / "cache"))


def test_there_is_a_template_for_every_hook() -> None:
    hooks = {name.removeprefix("cloche_").removesuffix("s") for name in vars(hookspecs) if name.startswith("cloche_")}

    assert {*PLUGIN_KINDS, "moved"} == hooks  # a plugin that acts on moves begins as one that acts on new environments


def installed(cloche: Cloche, kind: str) -> tuple[Path, Cloche]:
    """Write a plugin called `acme` and install it without a build backend; return its directory and the command line."""
    assert cloche("plugins", "new", kind, "cloche-acme").code == 0
    root = cloche.cwd / "cloche-acme"
    metadata = root / "src" / "cloche_acme-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: cloche-acme\nVersion: 0.1.0\n")
    assert 'entry-points.cloche.acme = "cloche_acme"\n' in (root / "pyproject.toml").read_text()
    (metadata / "entry_points.txt").write_text("[cloche]\nacme = cloche_acme\n")
    return root, Cloche(cloche.cwd, {**cloche.environ, "PYTHONPATH": str(root / "src")})


@pytest.mark.parametrize("kind", PLUGIN_KINDS)
def test_a_new_plugin_loads_and_keeps_its_contract(cloche: Cloche, kind: str) -> None:
    root, with_plugin = installed(cloche, kind)

    assert f"{kind}: acme" in with_plugin("plugins").out or kind == "created"
    assert not any(
        "__" in path.read_text().replace("__init__", "") for path in (root / "README.md", root / "pyproject.toml")
    )
    found = with_plugin("plugins", "--json").json["plugins"]
    assert [plugin["status"] for plugin in found if plugin["name"] == "acme"] == ["loaded"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", root, root / "tests"]
    done = subprocess.run(command, cwd=root, env=with_plugin.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_new_plugin_does_what_it_describes(cloche: Cloche, tmp_path: Path) -> None:
    results = {}
    for kind, argv in (
        ("activator", ["./e", "--no-seed", "--activators", "acme"]),
        ("creator", ["./e", "--no-seed", "--creator", "acme", "--activators", ""]),
        ("command", ["acme", "you"]),
        ("created", ["./e", "--no-seed"]),
        ("seeder", ["./e", "--seeder", "acme", "--find-links", "nowhere"]),
        ("finder", ["pythons"]),
        ("packer", ["plugins"]),
    ):
        (tmp_path / kind).mkdir()
        _, with_plugin = installed(Cloche(tmp_path / kind, cloche.environ), kind)
        results[kind] = with_plugin(*argv)

    assert (results["activator"].code, results["creator"].code, results["finder"].code) == (0, 0, 0)
    script = (tmp_path / "activator" / "e" / "bin" / "activate.acme").read_text()
    assert f"VIRTUAL_ENV='{tmp_path}/activator/e'\n" in script
    assert subprocess.run([tmp_path / "creator" / "e" / "bin" / "python", "-c", ""], check=False).returncode == 0
    assert results["command"] == (0, "hello you\n", "")
    assert f"hello from {tmp_path}/created/e\n" in results["created"].err
    assert (results["seeder"].code, "no wheel of `pip` found" in results["seeder"].err) == (5, True)


def test_names_come_from_the_directory_and_existing_files_stay(cloche: Cloche) -> None:
    done = cloche("plugins", "new", "finder", "--json")
    assert sorted(done.json["files"]) == [
        "README.md",
        "pyproject.toml",
        "src/cloche_my_finder/__init__.py",
        "src/cloche_my_finder/py.typed",
        "tests/test_contract.py",
    ]
    (cloche.cwd / "full").mkdir()
    (cloche.cwd / "full" / "file").touch()

    for argv, code in ((["finder"], 4), (["finder", "full"], 4), (["thing"], 2), ([], 2), (["finder", "Bad_Name"], 2)):
        assert cloche("plugins", "new", *argv).code == code
    assert os.listdir(cloche.cwd / "full") == ["file"]
    assert sorted(os.listdir(cloche.cwd)) == ["cloche-my-finder", "full"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["activator", "fish"], "cloche already has a activator named `fish`"),
        (["activator", "sub/cloche-fish"], "cloche already has a activator named `fish`"),
        (["command", "doctor"], "cloche already has a command named `doctor`"),
        (["packer", "cloche-zip"], "cloche already has a packer named `zip`"),
        (["finder", "cloche"], "`cloche` cannot be the name of a plugin"),
        (["activator", "none"], "`none` cannot be the name of a plugin"),
        (["finder", "class.py"], "`class.py` cannot be the name of a plugin"),
        (["finder", "ünï"], "`ünï` cannot be the name of a plugin"),
        (["finder", "\u0661"], "`\u0661` cannot be the name of a plugin"),
        (["finder", "a b"], "`a b` cannot be the name of a plugin"),
        (["finder", "a\nb"], "`a\\nb` cannot be the name of a plugin"),
        (["finder", "True"], "`True` cannot be the name of a plugin"),
        (["finder", "_x"], "`_x` cannot be the name of a plugin"),
        (["finder", "--", "-x"], "`-x` cannot be the name of a plugin"),
        (["finder", "a" * 101], f"`{'a' * 101}` cannot be the name of a plugin"),
        (["finder", "con"], "Windows reserves the name `con`"),
        (["packer", "sub/nul"], "Windows reserves the name `nul`"),
        (["creator", "lpt1"], "Windows reserves the name `lpt1`"),
        (["activator", "nushell"], "the distribution `cloche-nushell` already exists"),
        (["created", "pytest-cloche"], "the distribution `pytest-cloche` already exists"),
        (["finders", "acme"], "unknown kind of plugin `finders`; did you mean `finder`?"),
        (["activater", "acme"], "unknown kind of plugin `activater`; did you mean `activator`?"),
    ],
)
def test_a_name_that_cannot_work_is_refused(cloche: Cloche, argv: list[str], message: str) -> None:
    done = cloche("plugins", "new", *argv)

    assert (done.code, done.err.partition("\n")[0]) == (2, f"cloche: error: {message}")
    assert os.listdir(cloche.cwd) == []


@pytest.mark.parametrize(
    ("directory", "hint"),
    [
        ("a-", "start with a letter, "),
        ("1a", "start with a letter, "),
        ("cloche", "choose another name, "),
        ("cloche-1a", "choose another name, "),
        ("none", "choose another name, "),
        ("a" * 101, "choose a shorter name"),
    ],
)
def test_the_hint_says_why_a_name_cannot_work(cloche: Cloche, directory: str, hint: str) -> None:
    assert cloche("plugins", "new", "finder", directory).err.splitlines()[1].startswith(f"hint: {hint}")


@pytest.mark.parametrize(
    ("directory", "distribution"),
    [
        ("json", "cloche-json"),
        ("cloche-json", "cloche-json"),
        ("json-cloche", "json-cloche"),
        ("class", "cloche-class"),  # a keyword
        ("cloche-con", "cloche-con"),
        ("a" * 100, f"cloche-{'a' * 100}"),
    ],
)
def test_the_distribution_is_named_after_cloche(cloche: Cloche, directory: str, distribution: str) -> None:
    """So that no module gets the name of one in the standard library."""
    assert cloche("plugins", "new", "finder", directory).code == 0

    project = tomllib.loads((cloche.cwd / directory / "pyproject.toml").read_text())["project"]
    module = distribution.replace("-", "_")
    name = distribution.removeprefix("cloche-").removesuffix("-cloche")
    assert (project["name"], project["entry-points"]) == (distribution, {"cloche": {name: module}})
    assert (cloche.cwd / directory / "src" / module / "__init__.py").exists()


def test_the_distributions_of_cloche_are_known() -> None:
    assert sorted(PUBLISHED) == sorted(path.parent.name for path in REPOSITORY.glob("plugins/*/pyproject.toml"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text(""), "` already exists and is not a directory"),
        (lambda path: path.symlink_to("nowhere"), "` is a symbolic link to `"),
        (lambda path: (path / "src").mkdir(parents=True), "` already has files in it"),
    ],
    ids=["file", "link", "directory"],
)
def test_what_is_in_the_way_stays(cloche: Cloche, make: Callable[[Path], object], message: str) -> None:
    path = cloche.cwd / "cloche-acme"
    make(path)
    before = path.lstat().st_ino, path.lstat().st_mtime_ns

    done = cloche("plugins", "new", "finder", "cloche-acme")

    assert done.code == 4
    assert message in done.err
    assert (path.lstat().st_ino, path.lstat().st_mtime_ns) == before
    assert os.listdir(cloche.cwd) == ["cloche-acme"]


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", PLUGIN_KINDS)
def test_the_distribution_can_be_built_installed_tested_and_published(cloche: Cloche, kind: str) -> None:
    """With its build backend, and the tools that an author uses; it comes with cloche from this checkout."""
    assert cloche("plugins", "new", kind, "acme").code == 0
    python = api.create(cloche.cwd / "env", seeds=["pip"]).executable
    root = cloche.cwd / "acme"
    tools = ["build", "twine", "mypy", "pyright[nodejs]", "pytest", "ruff"]
    for argv in (
        ["-m", "pip", "install", "--quiet", *tools, str(REPOSITORY), "--editable", str(root)],
        ["-m", "pytest", str(root)],
        ["-m", "mypy", "--strict", str(root / "src"), str(root / "tests")],
        ["-m", "pyright", "--pythonpath", python, str(root / "src"), str(root / "tests")],
        ["-m", "ruff", "check", "--isolated", "--select", "B,E,F,I,RUF,SIM,UP", str(root)],
        ["-m", "ruff", "format", "--isolated", "--check", str(root)],
        ["-m", "build", str(root)],
        ["-m", "twine", "check", "--strict", *(str(root / "dist" / f"cloche_acme-0.1.0{end}") for end in ENDS)],
    ):
        done = subprocess.run(
            [python, *argv], cwd=root, env=cloche.environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
