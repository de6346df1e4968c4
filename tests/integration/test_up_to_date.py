"""Test that an environment that was up to date is not examined file by file again, and that every change is noticed."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from cloche.api import create_with_result
from cloche.lifecycle import installed, locked
from cloche.lifecycle.locked import up_to_date
from cloche.lifecycle.locked import update as locked_update
from cloche.lifecycle.verify import verify_environment
from cloche.session import Session, current_host
from cloche.store import installed_images
from tests.locks import package, pylock, simple_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import cloche


class Project:
    """A lock file with two packages, and an environment that was found up to date once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.env = directory / "env"
        self.spam, self.eggs = simple_wheel(directory, "spam"), simple_wheel(directory, "eggs")
        self.lock = directory / "pylock.toml"
        self.write_lock(self.spam, self.eggs)

    def write_lock(self, *wheels: Path) -> None:
        self.lock.write_text(pylock([package(*wheel.name.split("-")[:2], wheels=[wheel]) for wheel in wheels]))

    def create(self, link_mode: str = "auto", **choices: object) -> str:
        """Create the environment or bring it up to date; return the outcome in a word."""
        result = create_with_result(
            self.env,
            lock=self.lock,
            find_links=[self.directory],
            network="never",
            cache=self.directory / "cache",
            link_mode=link_mode,
            compile="now",
            **choices,
        )
        return result.plan.outcome

    def path(self, pattern: str) -> Path:
        [found] = self.env.glob(pattern)
        return found


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images whose files were looked at."""
    images: list[str] = []
    real = installed_images.find_damage

    def find_damage(image: cloche.Image, environment: cloche.Environment) -> str:
        images.append(image.distribution)
        return real(image, environment)

    monkeypatch.setattr(installed_images, "find_damage", find_damage)
    monkeypatch.setattr(up_to_date, "MIN_AGE_NS", 0)
    return images


@pytest.fixture
def project(tmp_path: Path, looked: list[str]) -> Project:
    project = Project(tmp_path)
    assert project.create() == "created"
    assert project.create() == "up to date"
    assert looked == ["eggs", "spam"]
    looked.clear()
    return project


SITE = "lib/python*/site-packages"


def replace_file(path: Path, content: bytes) -> None:
    path.with_name("other").write_bytes(content)
    path.with_name("other").replace(path)


def truncate(path: Path) -> None:
    with open(path, "r+b") as file:
        file.truncate(3)


def add_nameless_metadata(site: Path) -> None:
    (site / "bacon-1.0.dist-info").mkdir()
    (site / "bacon-1.0.dist-info" / "INSTALLER").write_text("pip\n")


def relink(link: Path, target: str) -> None:
    link.unlink()
    link.symlink_to(target)


CHANGES: dict[str, Callable[[Project], object]] = {
    "a module is removed": lambda project: project.path(f"{SITE}/spam/__init__.py").unlink(),
    "a module is replaced": lambda project: replace_file(project.path(f"{SITE}/spam/__init__.py"), b"changed"),
    "a package is removed": lambda project: shutil.rmtree(project.path(f"{SITE}/spam")),
    "metadata is removed": lambda project: shutil.rmtree(project.path(f"{SITE}/spam-1.0.dist-info")),
    "metadata is added": lambda project: (project.path(SITE) / "bacon-1.0.dist-info").mkdir(),
    "RECORD is written to": lambda project: truncate(project.path(f"{SITE}/spam-1.0.dist-info/RECORD")),
    "a script is written to": lambda project: truncate(project.path("bin/spam")),
    "a script is removed": lambda project: project.path("bin/spam").unlink(),
    "an activation script is removed": lambda project: project.path("bin/activate.fish").unlink(),
    "the manifest is removed": lambda project: project.path(".cloche-manifest").unlink(),
    "metadata is added that names no package": lambda project: add_nameless_metadata(project.path(SITE)),
    "a link leads elsewhere": lambda project: relink(project.path("bin/python"), "/bin/sh"),
    "a link is removed": lambda project: project.path("bin/python3").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed(change: str, project: Project) -> None:
    assert project.create() == "up to date"

    CHANGES[change](project)

    assert project.create() in ("repaired", "updated")
    assert project.create() == "up to date"


@pytest.mark.parametrize("content", ["", "pip"])
def test_metadata_that_names_no_package_is_removed_from_a_directory_that_stays(content: str, project: Project) -> None:
    (project.env / ".git").mkdir()
    (project.env / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    metadata = project.path(SITE) / "bacon-1.0.dist-info"
    metadata.mkdir()
    if content:
        (metadata / "INSTALLER").write_text(content)

    assert project.create() == "repaired"
    assert project.create() == "up to date"
    assert not metadata.exists()


def test_a_write_to_a_copied_file_is_noticed(project: Project) -> None:
    project.env = project.directory / "copies"
    assert project.create("copy") == "created"
    assert project.create("copy") == "up to date"

    truncate(project.path(f"{SITE}/spam/__init__.py"))

    assert project.create("copy") == "repaired"


def test_an_unchanged_environment_is_not_examined_again(project: Project, looked: list[str]) -> None:
    assert project.create() == "up to date"
    assert looked == []


def test_an_environment_that_is_up_to_date_needs_no_images_and_no_scripts(
    project: Project, looked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(project.directory / "cache" / "images")
    collect_scripts = locked.collect_scripts
    monkeypatch.setattr(locked, "collect_scripts", None)
    assert project.create() == "up to date"
    assert looked == []

    monkeypatch.setattr(locked, "collect_scripts", collect_scripts)
    project.path(f"{SITE}/spam/__init__.py").unlink()
    assert project.create() == "repaired"
    assert project.create() == "up to date"


def test_an_image_that_was_lost_is_made_again_for_a_new_environment(project: Project) -> None:
    shutil.rmtree(project.directory / "cache" / "images")
    project.env = project.directory / "another"

    assert project.create() == "created"
    assert project.path(f"{SITE}/spam/__init__.py").stat().st_nlink > 1


def test_bytecode_that_python_writes_or_that_is_removed_changes_nothing(project: Project, looked: list[str]) -> None:
    for directory in project.env.rglob("spam/__pycache__"):
        next(directory.iterdir()).unlink()
        (directory / "other.cpython-399.pyc").write_bytes(b"")

    assert project.create() == "up to date"
    assert looked == []


def test_other_options_make_the_run_examine_the_packages(project: Project, looked: list[str]) -> None:
    assert project.create(extra_packages="kept") == "up to date"
    assert looked == ["eggs", "spam"]


@pytest.mark.parametrize("content", [b"", b"other"])
def test_a_damaged_record_is_ignored(content: bytes, project: Project, looked: list[str]) -> None:
    plans = project.directory / "cache" / "plans"
    cache = Session(current_host(), cache=str(project.directory / "cache")).plan_cache
    record = plans / os.path.basename(up_to_date.record_path(str(project.env), cache))
    record.write_bytes(content)

    assert project.create() == "up to date"
    assert looked == ["eggs", "spam"]


def test_no_record_is_written_soon_after_a_change(
    project: Project, looked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up_to_date, "MIN_AGE_NS", 10**12)
    project.path(f"{SITE}/spam").joinpath("note").write_text("")

    assert project.create() == "up to date"
    looked.clear()
    assert project.create() == "up to date"

    assert looked == ["eggs", "spam"]


@pytest.mark.parametrize("through", ["its path", "a link to its parent"])
def test_verify_finds_a_write_to_a_shared_file_and_the_next_run_repairs_it(through: str, project: Project) -> None:
    module = project.path(f"{SITE}/spam/__init__.py")
    content = module.read_bytes()
    module.chmod(0o644)
    module.write_bytes(b"# written to in place\n")
    assert project.create() == "up to date"
    env = project.env
    if through == "a link to its parent":
        (project.directory / "link").symlink_to(project.directory)
        env = project.directory / "link" / "env"

    with Session(current_host(), cache=str(project.directory / "cache")) as session:
        found = verify_environment(str(env), session)

    assert module.name in {os.path.basename(difference.path) for difference in found.differences}
    assert project.create() == "repaired"
    assert module.read_bytes() == content


def test_an_update_is_planned_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = []
    real = locked_update.plan_update

    def plan_update(*arguments: object) -> object:
        planned.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(locked_update, "plan_update", plan_update)
    project.write_lock(project.spam)

    assert project.create() == "updated"
    assert len(planned) == 1


def test_an_update_reads_only_the_packages_that_change(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    real = installed.read_metadata

    def read_metadata(root: str, site: str, metadata: str, *more: str, **named: object) -> object:
        read.append(os.path.basename(metadata))
        return real(root, site, metadata, *more, **named)

    monkeypatch.setattr(installed, "read_metadata", read_metadata)
    project.write_lock(project.spam, simple_wheel(project.directory, "eggs", "2.0"))

    assert project.create() == "updated"
    assert read == ["eggs-1.0.dist-info"]


def test_an_update_keeps_notes_but_nothing_in_the_metadata_of_a_package(project: Project) -> None:
    added = project.path(f"{SITE}/spam-1.0.dist-info") / "added"
    note = project.path(f"{SITE}/spam") / "note.txt"
    for path in (added, note):
        path.write_text("mine")
    project.write_lock(project.spam)

    assert project.create() == "updated"

    assert not added.exists()
    assert note.read_text() == "mine"
    assert [path.name for path in project.env.glob(f"{SITE}/*.dist-info")] == ["spam-1.0.dist-info"]


def test_another_version_of_cloche_compares_again(
    project: Project, looked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may write other scripts, and does not ask its own activators for them if the record is used."""
    monkeypatch.setattr(locked, "VERSION", "9.9")

    assert project.create() == "up to date"

    assert looked == ["eggs", "spam"]
