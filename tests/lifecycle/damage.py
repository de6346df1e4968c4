"""Damage an environment: for every finding of `cloche doctor`, one or more ways in which it comes about."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

from cloche.lifecycle.embedded_paths.shebangs import parse_header
from tests.distributions import make_wheel
from tests.interpreters import pyenv
from tests.lifecycle.comparison import create_deletable_python
from tests.lifecycle.environments import create_with_cloche, find_tool, make_project, run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class Place(NamedTuple):
    """Where damage happens."""

    work: Path
    """The directory with the environment `env`; the projects that are installed in it are in `projects`."""
    wheels: Path
    """A directory with the wheel of every package that is installed."""

    @property
    def env(self) -> Path:
        return self.work / "env"

    @property
    def site(self) -> Path:
        return next(self.env.glob("lib/*/site-packages"))

    @property
    def config(self) -> Path:
        return self.env / "pyvenv.cfg"


class Damage(NamedTuple):
    """One way in which a finding comes about."""

    code: str
    """The only finding that `doctor` reports."""
    name: str
    start: str
    """The environment before: `empty`, `packages`, `pip`, `portable`, or `none` if `happen` creates it."""
    happen: Callable[[Place], object]
    decide: Callable[[Place], object] | None = None
    """Do what a remedy says in words; None if it prints a command."""
    moves_to: str = "env"
    """The path of the environment afterwards."""


def replace_text(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, text
    path.write_text(text.replace(old, new))


def lose_base(place: Place, home: str = "/opt/gone/bin") -> None:
    """Let the environment name a base that does not exist."""
    replace_text(place.config, f"home = {os.path.dirname(pyenv('3.12'))}", f"home = {home}")
    config = place.config.read_text().splitlines(keepends=True)
    place.config.write_text("".join(line for line in config if not line.startswith("executable")))
    for link in (place.env / "bin").glob("python*"):
        if os.path.isabs(os.readlink(link)):
            link.unlink()
            link.symlink_to(f"{home}/{link.name}")


def lose_every_python_of_its_version(place: Place) -> None:
    lose_base(place)
    replace_text(place.config, "version = 3.12", "version = 3.4")
    (place.env / "lib" / "python3.12").rename(place.env / "lib" / "python3.4")
    (place.env / "bin" / "python3.12").rename(place.env / "bin" / "python3.4")


def lose_base_with_scripts_and_links(place: Place) -> None:
    """The scripts that run with the base, and the links to its programs, are lost with it."""
    lose_base(place)
    (place.env / "bin" / "idle").symlink_to("/opt/gone/bin/idle3.12")
    set_script(place, "#!/opt/gone/bin/python", "plain-say")


def lose_everything(place: Place) -> None:
    """Lose the base, and all that could tell which one it was."""
    lose_every_python_of_its_version(place)
    place.config.unlink()
    shutil.rmtree(place.env / "bin")
    (place.env / "bin").mkdir()
    (place.env / "bin" / "python").symlink_to("/opt/gone/bin/python3.4")


def replace_base(place: Place) -> None:
    home = place.work / "home" / "bin"
    home.mkdir(parents=True)
    lose_base(place, str(home))
    (home / "python").symlink_to(pyenv("3.11"))
    (home / "python3").symlink_to(pyenv("3.11"))


def break_base(place: Place) -> None:
    home = place.work / "home" / "bin"
    home.mkdir(parents=True)
    for name in ("python", "python3", "python3.12"):
        (home / name).write_text("#!/bin/sh\nexit 1\n")
        (home / name).chmod(0o755)
    lose_base(place, str(home))


def copy_link(place: Place, extra: str = "") -> None:
    """Turn the link `lib64` into a copy of `lib`, as `cp -rL` does."""
    (place.env / "lib64").unlink(missing_ok=True)
    shutil.copytree(place.env / "lib", place.env / "lib64")
    if extra:
        (place.env / "lib64" / extra).write_text("mine")


def move_module_of_editable(place: Place) -> None:
    source = place.work / "projects" / "by_finder" / "src" / "by_finder"
    source.rename(source.with_name("other"))


def move_project_with_its_base(place: Place) -> None:
    """Create an environment and its base in one project, and rename the project."""
    project = place.work / "project"
    project.mkdir()
    python = create_deletable_python(project)
    run(python, "-m", "venv", "--without-pip", project / ".venv")
    project.rename(place.work / "renamed")


def move_project_with_editables(place: Place) -> None:
    project = place.work / "project"
    run(pyenv("3.12"), "-m", "venv", project / ".venv")
    install_editable(project / ".venv" / "bin" / "python", make_project(project, "mine", "path"))
    (project / ".venv" / "data").symlink_to(project / "mine")
    project.rename(place.work / "renamed")


def install_editable(python: Path, *projects: Path) -> None:
    words = [word for project in projects for word in ("-e", project)]
    run(python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation", *words)


def lose_sources_of_several_packages(place: Place) -> None:
    parent = place.work / "monorepo"
    install_editable(place.env / "bin/python", *(make_project(parent, name, "path") for name in ("first", "second")))
    parent.rename(place.work / "elsewhere")


def link_name_elsewhere(place: Place) -> None:
    """Let one of the names of the Python lead to another program."""
    (place.env / "bin" / "python3").unlink()
    (place.env / "bin" / "python3").symlink_to("/bin/sh")


def lose_source_of_egg_link(place: Place) -> None:
    (place.site / "legacy.egg-link").write_text(f"{place.work / 'legacy'}\n.")


def half_upgrade(place: Place) -> None:
    run(pyenv("3.11"), "-m", "venv", "--without-pip", place.env)
    run(pyenv("3.12"), "-m", "venv", "--without-pip", "--upgrade", place.env)


def add_rows(place: Place, *names: str) -> None:
    """Add files to the package `plain`, and list them in its RECORD."""
    for name in names:
        (place.site / name).write_bytes(b"\x7fELF")
    with open(next(place.site.glob("plain-*/RECORD")), "a") as record:
        record.write("".join(f"{name},,\n" for name in names))


def install_over(place: Place, *, with_record: bool) -> None:
    """Install another version over a package, as a `pip install --target` or an interrupted installer does."""
    newer = place.wheels / "newer"
    files = {"plain/__init__.py": "", "plain/cli.py": "def main():\n    print('plain')\n"}
    make_wheel(newer, "plain", "2.0", files, entry_points="[console_scripts]\nplain-say = plain.cli:main\n")
    shutil.copy(newer / "plain-2.0-py3-none-any.whl", place.wheels)
    pip = [place.env / "bin" / "python", "-m", "pip", "install", "-q", "--no-index", "--find-links", place.wheels]
    run(*pip, "--no-deps", "--ignore-installed", "plain==2.0")
    if not with_record:
        shutil.rmtree(place.site / "plain-2.0.dist-info")
        (place.site / "plain-2.0.dist-info").mkdir()
        (place.site / "plain-2.0.dist-info" / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: Plain\nVersion: 2.0\n"
        )


def link_package_to(place: Place, directory: Path) -> None:
    """Turn the files of a package into links to a directory, as `uv pip install --link-mode symlink` does, and lose it."""
    for path in [*place.site.glob("plain/*.py"), *place.site.glob("plain-1.0.dist-info/*")]:
        target = directory / path.relative_to(place.site)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
        path.symlink_to(target)
    directory.rename(f"{directory}-away")


def interrupt_pip(place: Place) -> None:
    for name in ("~lain", "~lain-0.9.dist-info"):
        (place.site / name).mkdir()
        (place.site / name / "file").write_text("old")


def set_script(place: Place, header: str, *names: str) -> None:
    """Give scripts of the package `plain`, or new ones, another first line."""
    for name in names:
        script = place.env / "bin" / name
        old = parse_header(script.read_bytes()) if script.exists() else None
        script.write_bytes(f"{header}\n".encode() + (old.coding + old.body if old else b"print('mine')\n"))
        script.chmod(0o755)


def damage_library(place: Place) -> None:
    [module] = place.env.glob("lib/python*/lib-dynload/_bz2*.so")
    content = module.read_bytes()
    shutil.copy2(module, place.work / "original")
    module.unlink()
    module.write_bytes(content.replace(b"libbz2.so.1.0\0", b"libbzx.so.1.0\0"))
    recorded = place.env / next(path.name for path in place.env.glob(".cloche-*") if "runtime" in path.name)
    lines = recorded.read_text().splitlines(keepends=True)
    recorded.write_text("".join(line for line in lines if module.name not in line))


def wrap_python(place: Place) -> None:
    python = place.env / "bin" / "python"
    python.unlink()
    python.write_text('#!/bin/sh\nexec /usr/bin/python3 "$@"\n')
    python.chmod(0o755)


def remove(*patterns: str) -> Callable[[Place], None]:
    """Return a function that removes the files and directories that match patterns."""

    def happen(place: Place) -> None:
        found = [path for pattern in patterns for path in place.env.glob(pattern)]
        for path in [*found, *(place.env / name for name in patterns if (place.env / name).is_symlink())]:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)

    return happen


def make_pipe(path: str) -> Callable[[Place], None]:
    def happen(place: Place) -> None:
        [parent] = place.env.glob(os.path.dirname(path) or ".")
        (parent / os.path.basename(path)).unlink(missing_ok=True)
        os.mkfifo(parent / os.path.basename(path))

    return happen


def write(path: str, text: str) -> Callable[[Place], None]:
    """Return a function that writes a file in `site-packages`."""
    return lambda place: (place.site / path).write_text(text.format(work=place.work))


def link_to_missing(*names: str) -> Callable[[Place], None]:
    def happen(place: Place) -> None:
        for name in names:
            (place.env / name).symlink_to(place.work / "unmounted" / name)

    return happen


def create(*options: str) -> Callable[[Place], object]:
    return lambda place: create_with_cloche(*options, "-p", pyenv("3.12"), place.env)


def make_relocatable_with_fixed_scripts(place: Place) -> None:
    create("--relocatable")(place)
    pip = ["-m", "pip", "--python", place.env / "bin" / "python", "install", "-q", "--no-index"]
    run(find_tool("python3"), *pip, "--no-deps", place.wheels / "plain-1.0-py3-none-any.whl")


DAMAGES = (
    Damage("base-gone", "replaced by another", "empty", lose_base),
    Damage("base-gone", "no other of its version", "empty", lose_every_python_of_its_version),
    Damage("base-gone", "with all traces", "empty", lose_everything),
    Damage("base-gone", "with its scripts", "packages", lose_base_with_scripts_and_links),
    Damage("base-replaced", "another version at its path", "empty", replace_base),
    Damage("base-unusable", "does not start", "empty", break_base),
    Damage(
        "base-upgraded",
        "patch",
        "empty",
        lambda place: replace_text(place.config, "version = 3.12.", "version = 3.12.9"),
    ),
    Damage(
        "config-disagrees",
        "version",
        "empty",
        lambda place: replace_text(place.config, "version = 3.12.", "version = 3.13."),
    ),
    Damage(
        "config-disagrees",
        "several keys",
        "empty",
        lambda place: place.config.write_text(
            place.config.read_text() + "base-prefix = /opt/gone\nbase-exec-prefix = /opt/gone\n"
        ),
    ),
    Damage(
        "editable-dead", "path", "packages", lambda place: (place.work / "projects/by_path").rename(place.work / "x")
    ),
    Damage(
        "editable-dead",
        "finder",
        "packages",
        lambda place: (place.work / "projects/by_finder").rename(place.work / "x"),
    ),
    Damage("editable-dead", "a directory of several", "pip", lose_sources_of_several_packages),
    Damage("editable-dead", "all", "packages", lambda place: (place.work / "projects").rename(place.work / "x")),
    Damage(
        "editable-dead",
        "a module",
        "packages",
        move_module_of_editable,
        lambda place: (place.work / "projects/by_finder/src/other").rename(
            place.work / "projects/by_finder/src/by_finder"
        ),
    ),
    Damage("editable-dead", "egg-link", "empty", lose_source_of_egg_link),
    Damage(
        "extension-for-other-abi",
        "one",
        "packages",
        lambda place: add_rows(place, "plain/fast.cpython-39-x86_64-linux-gnu.so"),
    ),
    Damage("half-made", "pyvenv.cfg", "empty", remove("pyvenv.cfg")),
    Damage("half-made", "python", "empty", remove("bin/python")),
    Damage("half-made", "a name", "empty", link_name_elsewhere),
    Damage("half-made", "activation", "empty", remove("bin/*ctivate*")),
    Damage("half-made", "an empty script", "empty", lambda place: (place.env / "bin/activate").write_text("")),
    Damage("half-made", "several parts", "empty", remove("bin/*ctivate*", "pyvenv.cfg")),
    Damage("half-made", "all of bin", "packages", remove("bin/*")),
    Damage("half-made", "bin", "packages", remove("bin")),
    Damage("half-made", "site-packages", "empty", remove("lib/*/site-packages")),
    Damage("half-made", "lib", "empty", remove("lib")),
    Damage("half-upgraded", "by venv", "none", half_upgrade),
    Damage("installed-twice", "recorded", "pip", lambda place: install_over(place, with_record=True)),
    Damage("installed-twice", "not recorded", "pip", lambda place: install_over(place, with_record=False)),
    Damage("left-behind", "inside", "empty", lambda place: (place.env / ".cloche-0" / "new").mkdir(parents=True)),
    Damage("left-behind", "beside", "empty", lambda place: (place.work / ".env.cloche-3" / "new").mkdir(parents=True)),
    Damage(
        "lib-of-other-version",
        "3.9",
        "empty",
        lambda place: (place.env / "lib" / "python3.9" / "site-packages").mkdir(parents=True),
    ),
    Damage(
        "library-missing",
        "bz2",
        "portable",
        damage_library,
        lambda place: shutil.copy2(place.work / "original", next(place.env.glob("lib/python*/lib-dynload/_bz2*.so"))),
    ),
    Damage("link-copied", "the same files", "empty", copy_link),
    Damage("link-copied", "other files", "empty", lambda place: copy_link(place, "mine.txt")),
    Damage("link-dangling", "one", "empty", link_to_missing("data")),
    Damage(
        "link-dangling",
        "several into one directory",
        "empty",
        link_to_missing("data", "models", "bin/tool"),
        remove("data", "models", "bin/tool"),
    ),
    Damage(
        "link-dangling",
        "a package",
        "packages",
        lambda place: link_package_to(place, place.work / "cache"),
        lambda place: (place.work / "cache-away").rename(place.work / "cache"),
    ),
    Damage("metadata-broken", "interrupted", "packages", interrupt_pip),
    Damage("metadata-broken", "no name", "packages", lambda place: write("plain-1.0.dist-info/METADATA", "")(place)),
    Damage("moved", "by mv", "packages", lambda place: place.env.rename(place.work / "new"), moves_to="new"),
    Damage(
        "moved",
        "copied",
        "packages",
        lambda place: shutil.copytree(place.env, place.work / "new", symlinks=True),
        moves_to="new",
    ),
    Damage("moved", "with its base", "none", move_project_with_its_base, moves_to="renamed/.venv"),
    Damage("moved", "with its project", "none", move_project_with_editables, moves_to="renamed/.venv"),
    Damage(
        "name-of-other-version", "3.9", "empty", lambda place: (place.env / "bin" / "python3.9").symlink_to("python")
    ),
    Damage("path-dead", "a line", "empty", write("dead.pth", "/opt/gone/lib\n")),
    Damage(
        "path-dead",
        "several lines",
        "empty",
        write("dead.pth", "# mine\n{work}/away/one\n{work}/away/two\n"),
        lambda place: [(place.work / "away" / name).mkdir(parents=True) for name in ("one", "two")],
    ),
    Damage("prefix-wrong", "wrapper", "empty", wrap_python),
    Damage(
        "python-dead",
        "links to itself",
        "empty",
        lambda place: [remove("bin/python")(place), (place.env / "bin" / "python").symlink_to("python")],
    ),
    Damage("python-dead", "startup code", "empty", write("bad.pth", "import os; os._exit(3)\n")),
    Damage(
        "record-altered", "one", "packages", lambda place: (place.site / "plain" / "cli.py").write_text("changed = 1\n")
    ),
    Damage("record-missing", "one", "packages", remove("lib/*/site-packages/plain/cli.py")),
    Damage("record-missing", "RECORD", "packages", remove("lib/*/site-packages/plain-1.0.dist-info/RECORD")),
    Damage("record-missing", "scripts", "packages", remove("bin/plain-*")),
    Damage("record-missing", "a package", "pip", remove("lib/*/site-packages/plain")),
    Damage("script-dead", "Python", "packages", lambda place: set_script(place, "#!/opt/gone/python", "plain-say")),
    Damage(
        "script-dead",
        "all",
        "packages",
        lambda place: set_script(place, "#!/opt/gone/python", "plain-say", "plain-show", "by_path", "by_finder"),
    ),
    Damage(
        "script-dead",
        "mine",
        "empty",
        lambda place: set_script(place, "#!/opt/gone/python", "mine", "yours"),
        remove("bin/mine", "bin/yours"),
    ),
    Damage("script-dead", "mode", "packages", lambda place: (place.env / "bin" / "plain-say").chmod(0o644)),
    Damage("script-fixed", "by pip", "none", make_relocatable_with_fixed_scripts),
    Damage(
        "script-foreign",
        "of a base",
        "packages",
        lambda place: set_script(place, f"#!{pyenv('3.12')}", "plain-say"),
    ),
    Damage("seed-broken", "a file", "pip", remove("lib/*/site-packages/pip/_internal/cli/main.py")),
    Damage("seed-broken", "an unused file", "pip", remove("lib/*/site-packages/pip/py.typed")),
    Damage("start-held-up", "pth", "empty", make_pipe("lib/*/site-packages/more.pth")),
    Damage("world-writable", "one", "empty", lambda place: (place.env / "bin").chmod(0o777)),
)
"""The first one for each code is part of the thorough run, the others of the nightly run."""

ELSEWHERE: Mapping[str, str] = {
    "mount-noexec": "test_noexec.py",  # needs a mount namespace
}
"""The findings that another module tests."""
