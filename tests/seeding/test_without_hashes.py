"""Test that an environment with what a requirements file without hashes pins is up to date, and that no server is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cloche.api import create_with_result, plan
from cloche.lifecycle.locked import up_to_date
from tests.locks import simple_wheel
from tests.seeding.projects import EDITABLE, PYPROJECT, make_project, make_sdist
from tests.trees import snapshot

if TYPE_CHECKING:
    from pathlib import Path

    import cloche
    from tests.seeding.server import Site


class Project:
    """A requirements file, and an index on which `spam` 1.0 has one wheel."""

    def __init__(self, directory: Path, site: Site) -> None:
        self.directory, self.site = directory, site
        self.lock = directory / "requirements.txt"
        self.wheel = simple_wheel(directory / "wheels", "spam")
        self.url = site.add_index("spam", {self.wheel.name: self.wheel.read_bytes()})
        self.options = {"lock": self.lock, "cache": directory / "cache"}

    def create(self, env: str = "env", **choices: object) -> str:
        """Create an environment or bring it up to date; return the outcome in a word."""
        self.site.requests.clear()
        return create_with_result(self.directory / env, **{**self.options, **choices}).plan.outcome

    def offer(self, build: str) -> None:
        """Let the index offer a file with another content, which is better for every Python."""
        wheel = simple_wheel(self.directory / build, "spam", files={"spam/__init__.py": f"# {build}\n"})
        name = f"spam-1.0-{build}-py3-none-any.whl"
        self.site.add_index("spam", {self.wheel.name: self.wheel.read_bytes(), name: wheel.read_bytes()})

    def module(self, env: str = "env") -> str:
        [path] = (self.directory / env).glob("lib/python*/site-packages/spam/__init__.py")
        return path.read_text()


@pytest.fixture
def project(tmp_path: Path, site: Site, pip_options: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(up_to_date, "MIN_AGE_NS", 0)
    project = Project(tmp_path, site)
    pip_options["index-url"] = project.url
    return project


@pytest.mark.parametrize("line", ["spam==1.0", "{url}", "spam @ {url}"])
def test_the_second_run_writes_nothing_and_asks_no_server(line: str, project: Project) -> None:
    project.lock.write_text(line.format(url=f"{project.site.url}/files/{project.wheel.name}") + "\n")
    assert project.create() == "created"
    assert project.site.paths
    before = snapshot(project.directory / "env")

    assert project.create() == "up to date"

    assert project.site.paths == []
    assert snapshot(project.directory / "env") == before
    found: cloche.Plan = plan(project.directory / "env", **project.options)
    assert (found.outcome, project.site.paths) == ("up to date", [])


def test_a_new_environment_gets_what_the_index_offers_now(project: Project) -> None:
    project.lock.write_text("spam==1.0\n")
    project.create()
    project.offer("2")

    assert project.create() == "up to date"
    assert project.create("other") == "created"

    assert "# 2" in project.module("other")
    assert "# 2" not in project.module()


def test_a_changed_environment_gets_what_the_index_offers_now(project: Project) -> None:
    project.lock.write_text("spam==1.0\n")
    project.create()
    project.offer("2")
    [script] = (project.directory / "env" / "bin").glob("spam")
    script.unlink()

    assert plan(project.directory / "env", **project.options).outcome == "updated"
    assert project.create() == "updated"

    assert "# 2" in project.module()


def test_the_user_can_have_the_index_asked_again(project: Project) -> None:
    project.lock.write_text("spam==1.0\n")
    project.create(network="newest")
    project.offer("2")

    assert project.create(network="newest") == "updated"
    assert "# 2" in project.module()


def test_another_pin_is_not_up_to_date(project: Project) -> None:
    project.lock.write_text("spam==1.0\n")
    project.create()
    newer = simple_wheel(project.directory / "wheels", "spam", "2.0")
    project.site.add_index("spam", {newer.name: newer.read_bytes()})
    project.lock.write_text("spam==2.0\n")

    assert project.create() == "updated"
    assert project.create() == "up to date"


def test_the_content_of_an_archive_without_a_version_is_compared_again(project: Project, tmp_path: Path) -> None:
    """A URL such as that of a branch keeps its name when its content changes."""
    source = make_project(tmp_path / "source")
    archive = make_sdist(source, tmp_path)
    project.site.add("/main.tar.gz", archive.read_bytes())
    project.lock.write_text(f"spam @ {project.site.url}/main.tar.gz\n")
    assert project.create() == "created"

    assert project.create() == "up to date"
    assert project.site.paths == ["/main.tar.gz"]

    backend = source / "backend" / "backend.py"
    backend.write_text(backend.read_text().replace("built_by", "changed"))
    project.site.add("/main.tar.gz", make_sdist(source, tmp_path).read_bytes())
    assert project.create() == "updated"


@pytest.mark.parametrize("line", ["-e ./source", "spam @ {url}"])
def test_a_directory_is_built_again_and_nothing_is_written_without_a_change(
    line: str, project: Project, tmp_path: Path
) -> None:
    source = make_project(tmp_path / "source", EDITABLE, pyproject=f'{PYPROJECT}[project]\nname = "spam"\n')
    project.lock.write_text(line.format(url=source.as_uri()) + "\n")
    assert project.create() == "created"
    before = snapshot(project.directory / "env")

    assert project.create() == "up to date"
    assert snapshot(project.directory / "env") == before

    (source / "pyproject.toml").write_text((source / "pyproject.toml").read_text() + "\n# changed\n")
    assert project.create() == "up to date"
