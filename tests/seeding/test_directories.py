"""Test when the wheel of a directory is built again: whenever something that may decide it has changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from cloche.api import create_with_result, find
from cloche.fs.inputs import Inputs
from cloche.fs.signatures import are_unchanged
from cloche.lifecycle.locked import up_to_date
from cloche.model.plan import Wanted
from cloche.store import Store, builds
from cloche.store.builds import build_wheels, sources_to_build
from cloche.store.builds.directories import content_of_directory, wheel_inputs
from cloche.store.builds.sources import SourceCode
from cloche.testing import fake_host
from tests.locks import package, pylock, simple_wheel
from tests.seeding.projects import BACKEND, EDITABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any

    from cloche.model.interpreter import Interpreter

STATIC = {"name": "spam", "version": "1.0"}
DYNAMIC = {"name": "spam", "dynamic": ["version"]}
HATCH_PATH = {"hatch": {"version": {"path": "src/spam/__init__.py"}}}


def system(backend: str, *requires: str, **more: object) -> dict[str, object]:
    return {"build-system": {"requires": list(requires), "build-backend": backend, **more}}


FLIT = system("flit_core.buildapi", "flit_core>=3")
HATCHLING = system("hatchling.build", "hatchling")
PDM = system("pdm.backend", "pdm-backend")
POETRY = system("poetry.core.masonry.api", "poetry-core>=2")
SETUPTOOLS = system("setuptools.build_meta", "setuptools>=77", "wheel")
UV = system("uv_build", "uv_build>=0.9,<0.10")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a module, a data file, a license and a hidden file in its root."""
    root = tmp_path / "repository" / "project"
    (root / "src" / "spam").mkdir(parents=True)
    (root / "src" / "spam" / "__init__.py").write_text("")
    (root / "src" / "spam" / "data.txt").write_text("")
    (root / "LICENSE").write_text("")
    (root / ".editor").write_text("")
    (root / "pyproject.toml").write_text("")
    return root


# What a wheel depends on


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({**FLIT, "project": STATIC}, id="flit"),
        pytest.param({**HATCHLING, "project": STATIC}, id="hatchling"),
        pytest.param({**PDM, "project": STATIC}, id="pdm"),
        pytest.param({**SETUPTOOLS, "project": STATIC}, id="setuptools"),
        pytest.param({**UV, "project": STATIC}, id="uv"),
        pytest.param({**HATCHLING, "project": STATIC, "tool": {"hatch": {"build": {"sources": ["src"]}}}}, id="table"),
        pytest.param({**FLIT, "project": STATIC, "tool": {"other": {"hooks": {}}}}, id="another tool"),
    ],
)
def test_an_editable_wheel_of_a_known_backend_depends_on_names(project: Path, content: dict[str, object]) -> None:
    for editable in (True, False):
        found = wheel_inputs(SourceCode("spam", path=str(project), editable=editable), content)
        assert found
        assert found.only_names == editable


def test_a_version_that_is_read_from_a_module_depends_on_its_content(project: Path) -> None:
    found = wheel_inputs(
        SourceCode("spam", path=str(project), editable=True), {**HATCHLING, "project": DYNAMIC, "tool": HATCH_PATH}
    )

    assert found
    assert not found.only_names


def test_poetry_asks_version_control_unless_the_wheel_is_editable(project: Path) -> None:
    content = {**POETRY, "project": STATIC}

    assert wheel_inputs(SourceCode("spam", path=str(project), editable=True), content)
    assert not wheel_inputs(SourceCode("spam", path=str(project)), content)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({}, id="no pyproject.toml"),
        pytest.param({**FLIT}, id="no metadata"),
        pytest.param({"project": STATIC}, id="no backend"),
        pytest.param({"build-system": "x", "project": STATIC}, id="an invalid table"),
        pytest.param({**system("flit_core.buildapi", "]["), "project": STATIC}, id="an invalid requirement"),
        pytest.param(
            {**system("scikit_build_core.build", "scikit-build-core"), "project": STATIC}, id="another backend"
        ),
        pytest.param({**system("setuptools.build_meta", "setuptools", "cython"), "project": STATIC}, id="a plugin"),
        pytest.param({**system("hatchling.build", "hatchling", "hatch-vcs"), "project": STATIC}, id="version control"),
        pytest.param(
            {**system("flit_core.buildapi", "flit_core", **{"backend-path": ["."]}), "project": STATIC},
            id="a backend in the project",
        ),
        pytest.param({**HATCHLING, "project": DYNAMIC}, id="a dynamic version"),
        pytest.param(
            {**HATCHLING, "project": DYNAMIC, "tool": {"hatch": {"version": {"source": "code", "path": "x.py"}}}},
            id="a version from code",
        ),
        pytest.param({**PDM, "project": DYNAMIC, "tool": HATCH_PATH}, id="the table of another backend"),
        pytest.param(
            {**HATCHLING, "project": STATIC, "tool": {"hatch": {"build": {"targets": {"wheel": {"hooks": {}}}}}}},
            id="a hook",
        ),
        pytest.param(
            {**SETUPTOOLS, "project": STATIC, "tool": {"setuptools": {"ext-modules": [{}]}}}, id="an extension"
        ),
        pytest.param({**PDM, "project": STATIC, "tool": {"pdm": {"build": {"run-setup": True}}}}, id="setup.py of pdm"),
        pytest.param({**POETRY, "project": STATIC, "tool": {"poetry": {"build": "x.py"}}}, id="a script of poetry"),
    ],
)
def test_what_other_wheels_depend_on_is_unknown(project: Path, content: dict[str, object]) -> None:
    inputs = Inputs()
    source = SourceCode("spam", path=str(project), editable=True)

    assert wheel_inputs(source, content) is None
    assert content_of_directory(source, content, inputs) is None
    assert inputs.undeclared == [f"the directory `{project}`"]


@pytest.mark.parametrize(
    ("content", "name"),
    [(HATCHLING, "hatch_build.py"), (HATCHLING, "hatch.toml"), (PDM, "pdm_build.py"), (SETUPTOOLS, "setup.py")],
)
def test_a_file_that_the_backend_runs_may_read_anything(project: Path, content: dict[str, object], name: str) -> None:
    (project / name).write_text("")

    assert wheel_inputs(SourceCode("spam", path=str(project)), {**content, "project": STATIC}) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", 'readme = "../README.md"'),
        ("pyproject.toml", "package-dir = '..'"),
        ("pyproject.toml", 'readme = "..\\\\README.md"'),
        ("pyproject.toml", '[tool.hatch.build.targets.wheel.force-include]\n"~/lib" = "lib"'),
        ("pyproject.toml", '[tool.hatch.build.targets.wheel.force-include]\n"/opt/lib" = "lib"'),
        ("pyproject.toml", 'parent = "{root:parent}/x"'),
        ("setup.cfg", 'x = file: "../VERSION"'),
        ("MANIFEST.in", "include ../LICENSE"),
    ],
)
def test_a_project_that_names_files_outside_may_depend_on_them(project: Path, name: str, text: str) -> None:
    (project / name).write_text(text)

    assert wheel_inputs(SourceCode("spam", path=str(project)), {**SETUPTOOLS, "project": STATIC}) is None


def test_patterns_and_version_ranges_name_nothing_outside(project: Path) -> None:
    (project / "pyproject.toml").write_text(
        'requires-python = "~=3.9"\nexclude = ["/docs", "*.txt"]\nurl = "https://example.org/~me/..."\n'
    )

    assert wheel_inputs(SourceCode("spam", path=str(project)), {**HATCHLING, "project": STATIC})


def test_the_project_in_a_subdirectory_decides(project: Path) -> None:
    (project / "setup.py").write_text("")
    source = SourceCode("spam", path=str(project.parent), subdirectory=project.name)

    assert wheel_inputs(source, {**SETUPTOOLS, "project": STATIC}) is None
    assert wheel_inputs(SourceCode("spam", path=str(project.parent)), {**SETUPTOOLS, "project": STATIC})


# Which changes count


def state(project: Path, *, editable: bool) -> tuple[str | None, Inputs]:
    inputs = Inputs()
    source = SourceCode("spam", path=str(project), editable=editable)
    return content_of_directory(source, {**FLIT, "project": STATIC}, inputs), inputs


def write(name: str, text: str = "changed") -> Callable[[Path], object]:
    def change(project: Path) -> None:
        (project / name).parent.mkdir(exist_ok=True, parents=True)
        (project / name).write_text(text)

    return change


ALWAYS: dict[str, Callable[[Path], object]] = {
    "the configuration": write("pyproject.toml", "x = 1"),
    "a data file": write("src/spam/data.txt"),
    "a license": write("LICENSE"),
    "a new module": write("src/spam/new.py"),
    "a deleted module": lambda project: (project / "src" / "spam" / "__init__.py").unlink(),
    "a new package": write("src/eggs/__init__.py"),
    "an executable file": lambda project: (project / "src" / "spam" / "data.txt").chmod(0o755),
    "a new link": lambda project: (project / "src" / "link").symlink_to("spam"),
    "what the repository ignores": write(".gitignore", "*.txt\n"),
    "what a parent ignores": write("../.gitignore", "*.txt\n"),
}

FOR_ORDINARY_WHEELS: dict[str, Callable[[Path], object]] = {
    "a module": write("src/spam/__init__.py"),
    "a hidden file": write(".editor"),
}

NEVER: dict[str, Callable[[Path], object]] = {
    "bytecode": write("src/spam/__pycache__/x.pyc"),
    "an environment": write(".venv/pyvenv.cfg"),
    "an environment with another name": write("env/pyvenv.cfg"),
    "a cache": write("src/.mypy_cache/CACHEDIR.TAG"),
    "version control": write("src/.git/index"),
    "metadata of setuptools": write("src/spam.egg-info/SOURCES.txt"),
    "a parent of the repository": write("../../.gitignore"),
}


@pytest.mark.parametrize("editable", [False, True], ids=["ordinary", "editable"])
@pytest.mark.parametrize("change", [*ALWAYS, *FOR_ORDINARY_WHEELS, *NEVER])
def test_a_change_that_counts_leads_to_another_wheel(change: str, editable: bool, project: Path) -> None:
    (project.parent / ".git").mkdir()
    before, inputs = state(project, editable=editable)
    assert before
    assert not inputs.undeclared
    assert are_unchanged(inputs.recorded, {})

    (ALWAYS | FOR_ORDINARY_WHEELS | NEVER)[change](project)

    counts = change in ALWAYS or (change in FOR_ORDINARY_WHEELS and not editable)
    assert (state(project, editable=editable)[0] != before) == counts
    assert are_unchanged(inputs.recorded, {}) != counts


def test_the_same_content_is_the_same_wheel(project: Path) -> None:
    before, inputs = state(project, editable=False)
    os.utime(project / "LICENSE", (0, 0))

    assert state(project, editable=False)[0] == before
    assert not are_unchanged(inputs.recorded, {})  # so it is compared by content


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda project: (project / "link").symlink_to("../outside"), id="a link that leads out"),
        pytest.param(lambda project: (project / "link").symlink_to("/etc/hostname"), id="an absolute link"),
        pytest.param(lambda project: os.mkfifo(project / "fifo"), id="a FIFO"),
    ],
)
def test_a_file_that_cannot_be_compared_makes_the_content_unknown(
    project: Path, change: Callable[[Path], object]
) -> None:
    change(project)

    content, inputs = state(project, editable=True)

    assert content is None
    assert inputs.undeclared


# Builds


class Links:
    """A directory with a wheel that stands in for flit, and writes down each build."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "builds"
        log = (
            "\ndef write(directory, files, write=write):\n"
            f"    with open({str(self.log)!r}, 'a') as file:\n"
            "        file.write('x')\n"
            "    return write(directory, files)\n"
        )
        simple_wheel(directory, "flit_core", "4.0", files={"flit_core/buildapi.py": BACKEND + log + EDITABLE})

    @property
    def wanted(self) -> Wanted:
        return Wanted(network="never", find_links=(str(self.directory),))

    @property
    def builds(self) -> int:
        return len(self.log.read_text())


@pytest.fixture
def links(tmp_path: Path) -> Links:
    (tmp_path / "links").mkdir()
    return Links(tmp_path / "links")


@pytest.fixture
def buildable(project: Path) -> Path:
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
        '[project]\nname = "spam"\nversion = "1.0"\n'
    )
    return project


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull}
    with Store.open(fake_host(environ=environ, cwd=str(tmp_path)), str(tmp_path / "cache")) as opened:
        yield opened


@pytest.fixture
def python() -> Interpreter:
    return find()


@pytest.mark.parametrize("editable", [False, True], ids=["ordinary", "editable"])
def test_a_directory_is_built_once_if_what_it_depends_on_is_known(
    editable: bool, buildable: Path, links: Links, store: Store, python: Interpreter
) -> None:
    source = SourceCode("spam", "1.0", str(buildable), editable=editable)
    (wheel,) = build_wheels([source], python, links.wanted, store)

    assert sources_to_build([source], python, links.wanted, store) == []
    assert build_wheels([source], python, links.wanted, store) == [wheel]
    assert links.builds == 1

    (buildable / "LICENSE").write_text("other")
    assert sources_to_build([source], python, links.wanted, store) == [source]


def test_a_directory_that_is_edited_while_it_is_built_is_built_again(
    buildable: Path, links: Links, store: Store, python: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SourceCode("spam", "1.0", str(buildable))
    real = builds.run_build

    def run(*arguments: Any) -> int:
        code = real(*arguments)
        (buildable / "LICENSE").write_text("edited")
        return code

    monkeypatch.setattr(builds, "run_build", run)
    build_wheels([source], python, links.wanted, store)
    (buildable / "LICENSE").write_text("")

    assert sources_to_build([source], python, links.wanted, store) == [source]


def test_an_environment_with_an_editable_project_is_up_to_date_until_that_matters(
    tmp_path: Path, buildable: Path, links: Links, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up_to_date, "MIN_AGE_NS", 0)
    lock = tmp_path / "pylock.toml"
    lock.write_text(pylock([package("spam", directory={"path": "repository/project", "editable": True})]))
    env = tmp_path / "env"

    def create() -> tuple[str, int]:
        choices = {"lock": lock, "find_links": [links.directory], "network": "never", "cache": tmp_path / "cache"}
        return create_with_result(env, **choices).plan.outcome, links.builds

    assert create() == ("created", 1)
    (buildable / "src" / "spam" / "__init__.py").write_text("edited")
    assert create() == ("up to date", 1)
    (buildable / "src" / "spam" / "new.py").write_text("")
    assert create() == ("up to date", 2)
    (buildable / "pyproject.toml").write_text((buildable / "pyproject.toml").read_text() + "# edited\n")
    assert create() == ("up to date", 3)
    assert create() == ("up to date", 3)
