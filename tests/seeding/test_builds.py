"""Test that wheels are built from source: by real interpreters and real pips, isolated, once, and with clear errors."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import textwrap
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloche.api import find
from cloche.errors import SeedError
from cloche.model.plan import Wanted
from cloche.model.value import replace
from cloche.store import Store, builds
from cloche.store.builds import build_wheels, sources_to_build
from cloche.store.builds.log import build_error, likely_reason
from cloche.store.builds.sources import SourceCode
from cloche.store.fetch import pip_settings
from cloche.store.pip import PipRun
from cloche.testing import fake_host, fake_interpreter
from tests import interpreters
from tests.seeding.projects import BACKEND, EDITABLE, make_project, make_repository, make_sdist
from tests.trees import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.interpreter import Host, Interpreter

OFFLINE = Wanted(network="never")


def build_wheel(source: SourceCode, interpreter: Interpreter, wanted: Wanted, store: Store) -> str:
    (wheel,) = build_wheels([source], interpreter, wanted, store)
    return wheel


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One store for all tests, so that pip is unpacked once for each interpreter."""
    return str(tmp_path_factory.mktemp("cache") / "store")


@pytest.fixture
def store(tmp_path: Path, cache: str) -> Iterator[Store]:
    """A store of a user who has a variable that no other test has, so that tests do not share wheels."""
    home = tmp_path / "home"
    home.mkdir()
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull}
    with Store.open(fake_host(environ=environ, cwd=str(home)), cache) as opened:
        yield opened


@pytest.fixture
def python() -> Interpreter:
    return find(interpreters.pyenv("3.12"))


@pytest.fixture
def sdist(tmp_path: Path) -> SourceCode:
    return SourceCode("spam", "1.0", str(make_sdist(make_project(tmp_path / "project"), tmp_path / "dist")))


def with_variables(store: Store, **variables: str) -> Host:
    return replace(store.host, environ={**store.host.environ, **variables})


def built_by(wheel: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        return archive.read("spam.py").decode()


def failure(source: SourceCode, python: Interpreter, store: Store, wanted: Wanted = OFFLINE) -> SeedError:
    """Return the error of a build; check that nothing is left but its log."""
    with pytest.raises(SeedError) as caught:
        build_wheel(source, python, wanted, store)
    [directory] = store.readable_directories("builds") or [""]
    assert [name for name in os.listdir(directory or ".") if name.endswith(".new")] == []
    assert "\n" not in caught.value.message
    return caught.value


# What is built, and by which Python


@pytest.mark.parametrize("name", [*interpreters.MINORS, "debian", "pypy"])
def test_every_interpreter_builds_its_own_wheels(name: str, sdist: SourceCode, store: Store) -> None:
    executable = {"debian": interpreters.debian, "pypy": interpreters.pypy}.get(
        name, lambda: interpreters.pyenv(name)
    )()
    python = find(executable)
    if python.version < (3, 7):  # its own pip is too old
        store.host = replace(store.host, environ={**os.environ, "HOME": store.host.cwd})

    wheel = build_wheel(sdist, python, OFFLINE if python.version >= (3, 7) else Wanted(), store)

    assert built_by(wheel) == f"built_by = {python.version[:2]!r}\n"


def test_a_wheel_is_built_once(sdist: SourceCode, python: Interpreter, store: Store) -> None:
    texts: list[str] = []
    store.progress = lambda text, **_: texts.append(text)
    assert sources_to_build([sdist], python, OFFLINE, store) == [sdist]

    wheel = build_wheel(sdist, python, OFFLINE, store)

    assert texts[0] == f"building spam 1.0 for {python.name}"
    assert sources_to_build([sdist], python, OFFLINE, store) == []
    texts.clear()
    assert build_wheels([sdist, sdist], python, OFFLINE, store) == [wheel, wheel]
    assert texts == []


def test_everything_that_decides_a_wheel_leads_to_another_one(
    sdist: SourceCode, python: Interpreter, store: Store, tmp_path: Path
) -> None:
    build_wheel(sdist, python, OFFLINE, store)
    host = store.host

    def is_known(source: SourceCode = sdist, interpreter: Interpreter = python, **variables: str) -> bool:
        store.host = replace(host, environ={**host.environ, **variables})
        return sources_to_build([source], interpreter, OFFLINE, store) == []

    copied = tmp_path / "elsewhere.tar.gz"
    copied.write_bytes(Path(sdist.path).read_bytes())
    assert is_known(replace(sdist, path=str(copied))), "the content counts, not the place"
    assert is_known(TERM="vt100", SSH_AUTH_SOCK="/tmp/x", PWD="/", PYTHONPATH="/x", CLOCHE_QUIET="1")
    assert not is_known(CFLAGS="-O3")
    assert not is_known(PATH="/usr/bin")
    assert not is_known(PIP_CONFIG_SETTINGS="a=b")
    assert not is_known(PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert not is_known(interpreter=replace(python, soabi="cpython-312d-x86_64-linux-gnu"))
    assert not is_known(replace(sdist, subdirectory="sub"))
    Path(sdist.path).write_bytes(b"changed")
    assert not is_known()


def test_a_damaged_wheel_in_the_store_is_built_again(sdist: SourceCode, python: Interpreter, store: Store) -> None:
    wheel = build_wheel(sdist, python, OFFLINE, store)
    Path(wheel).write_bytes(b"PK")

    assert build_wheel(sdist, python, OFFLINE, store) == wheel
    assert zipfile.is_zipfile(wheel)


def test_a_directory_is_built_each_time_and_left_as_it_is(python: Interpreter, store: Store, tmp_path: Path) -> None:
    project = make_project(tmp_path / "a b%d")
    before = snapshot(project)
    source = SourceCode("spam", path=str(project))
    first = build_wheel(source, python, OFFLINE, store)
    assert snapshot(project) == before
    backend = project / "backend" / "backend.py"
    backend.write_text(backend.read_text().replace('"1.0"', '"2.0"'))

    second = build_wheel(source, python, OFFLINE, store)

    assert [os.path.basename(first), os.path.basename(second)] == [
        "spam-1.0-py3-none-any.whl",
        "spam-2.0-py3-none-any.whl",
    ]


@pytest.mark.parametrize("kind", ["sdist", "directory", "git"])
def test_the_project_can_be_in_a_subdirectory(kind: str, python: Interpreter, store: Store, tmp_path: Path) -> None:
    make_project(tmp_path / "outer" / "packages" / "spam one")
    if kind == "sdist":
        source = SourceCode("spam", path=str(make_sdist(tmp_path / "outer", tmp_path, "outer-1")))
    elif kind == "directory":
        odd = (tmp_path / "outer").rename(tmp_path / "a; [b]#%41")  # pip reads such paths as markers and extras
        source = SourceCode("spam", path=str(odd))
    else:
        commit = make_repository(tmp_path / "outer", tmp_path / "repository", remove="packages")
        source = SourceCode("spam", url=(tmp_path / "repository").as_uri(), vcs="git", commit=commit)

    assert built_by(build_wheel(replace(source, subdirectory="packages/spam one"), python, OFFLINE, store))


@pytest.mark.parametrize("form", ["url", "path"])
def test_a_commit_is_built_once(form: str, python: Interpreter, store: Store, tmp_path: Path) -> None:
    commit = make_repository(make_project(tmp_path / "project"), tmp_path / "repository")
    url = (tmp_path / "repository").as_uri() if form == "url" else str(tmp_path / "repository")
    source = SourceCode("spam", "1.0", url=url, vcs="git", commit=commit)
    store.host = with_variables(store, GIT_DIR=str(tmp_path / "of a hook"), GIT_INDEX_FILE="index")

    wheel = build_wheel(source, python, OFFLINE, store)

    assert built_by(wheel)
    (tmp_path / "repository").rename(tmp_path / "gone")
    assert build_wheel(source, python, OFFLINE, store) == wheel


def test_an_editable_wheel_is_made_by_the_backend_of_the_project(
    python: Interpreter, store: Store, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "project", EDITABLE)
    wheel = build_wheel(SourceCode("spam", path=str(project), editable=True), python, OFFLINE, store)

    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("spam.pth").decode() == f"{project / 'src'}\n"


def test_a_backend_without_editable_wheels_is_a_one_line_error(
    python: Interpreter, store: Store, tmp_path: Path
) -> None:
    source = SourceCode("spam", path=str(make_project(tmp_path / "project")), editable=True)

    error = failure(source, python, store)

    assert error.message == (
        f"cannot build spam for {python.name}: the build backend of this project does not support editable wheels (PEP 660)"
    )
    assert "without `editable`" in str(error.hint)


@pytest.mark.parametrize("name", [*interpreters.MINORS, "debian", "pypy"])
def test_every_interpreter_builds_its_own_editable_wheels(name: str, store: Store, tmp_path: Path) -> None:
    executable = {"debian": interpreters.debian, "pypy": interpreters.pypy}.get(
        name, lambda: interpreters.pyenv(name)
    )()
    python = find(executable)
    if python.version < (3, 7):  # its own pip is too old
        store.host = replace(store.host, environ={**os.environ, "HOME": store.host.cwd})
    source = SourceCode("spam", "1.0", str(make_project(tmp_path / "project", EDITABLE_SPY)), editable=True)

    wheel = build_wheel(source, python, OFFLINE if python.version >= (3, 7) else Wanted(), store)

    seen = seen_in(wheel)
    assert seen["version"] == [*python.version[:2]]
    assert seen["prefix"] != seen["base"], "the build is isolated in an environment"
    assert not [path for path in seen["path"] if "-packages" in path and not path.startswith(seen["prefix"])]


EDITABLE_SPY = """
import json

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    seen = {
        "environ": dict(os.environ),
        "settings": config_settings,
        "version": sys.version_info[:2],
        "prefix": sys.prefix,
        "base": sys.base_prefix,
        "path": sys.path,
        "cwd": os.getcwd(),
        "stdin": sys.stdin.read(),
    }
    return write(wheel_directory, {"seen.json": json.dumps(seen)})
"""


def seen_in(wheel: str) -> dict:
    with zipfile.ZipFile(wheel) as archive:
        return json.loads(archive.read("seen.json"))


REQUIRED = """\
[build-system]
requires = ["required-backend"]
build-backend = "required_backend"
"""


def write_backend(directory: Path, version: str, code: str) -> None:
    """Create the wheel of a build backend, whose wheels name its version."""
    name, info = f"required_backend-{version}-py3-none-any.whl", f"required_backend-{version}.dist-info"
    directory.mkdir(exist_ok=True)
    files = {
        "required_backend.py": BACKEND
        + EDITABLE_SPY.replace('"settings"', f'"backend": "{version}", "settings"')
        + code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: required-backend\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(directory / name, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


def test_what_an_editable_wheel_requires_comes_from_where_the_user_says(
    python: Interpreter, store: Store, tmp_path: Path
) -> None:
    """The requirements of the project and those of its backend, with the same settings of pip as for other builds."""
    code = "def get_requires_for_build_editable(config_settings=None): return [{}]\n"
    for version in ("1.0", "2.0", "3.0"):
        write_backend(tmp_path / "links", version, code.format("'required-backend<3'"))
    (tmp_path / "constraints.txt").write_text("required-backend<2\n")
    project = make_project(tmp_path / "project", pyproject=REQUIRED)
    source = SourceCode("spam", path=str(project), editable=True)
    wanted = replace(OFFLINE, find_links=(str(tmp_path / "links"),))
    host = store.host
    store.host = with_variables(
        store,
        PIP_CONFIG_SETTINGS="key=value=more",
        PIP_CONSTRAINT=str(tmp_path / "none.txt"),
        PIP_TARGET=str(tmp_path / "planted"),
        PIP_NO_BUILD_ISOLATION="0",
        PYTHONPATH=str(tmp_path / "modules"),
        VIRTUAL_ENV=str(tmp_path / "active"),
    )
    first = seen_in(build_wheel(source, python, wanted, store))
    store.host = with_variables(store, PIP_BUILD_CONSTRAINT=str(tmp_path / "constraints.txt"))

    second = seen_in(build_wheel(source, python, wanted, store))

    assert (first["backend"], second["backend"]) == ("2.0", "1.0")
    assert first["settings"] == {"key": "value=more"}
    assert first["cwd"] == str(project)
    assert first["stdin"] == ""
    assert first["environ"]["PATH"].startswith(os.path.join(first["prefix"], "bin") + os.pathsep)
    assert not first["environ"].keys() & {"PIP_CONSTRAINT", "PIP_TARGET", "PYTHONPATH", "VIRTUAL_ENV"}
    assert not (tmp_path / "planted").exists()
    store.host = host
    assert failure(source, python, store).message.endswith(": No matching distribution found for required-backend")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("build_editable = lambda *_, **__: 1 / 0", "ZeroDivisionError: division by zero"),
        ("build_editable = lambda *_, **__: sys.exit('no compiler')", "no compiler"),
        ("build_editable = lambda *_, **__: os._exit(3)", "no error message"),
        ("build_editable = lambda *_, **__: os._exit(0)", "its build backend ended without a result"),
        ("build_editable = lambda *_, **__: None", "it made 0 wheels instead of one"),
        ("build_editable = lambda *_, **__: 'spam-1.0-py3-none-any.whl'", "it made 0 wheels instead of one"),
        ("NAME = 'ham'\n" + EDITABLE, "it made a wheel of ham 1.0"),
        ("get_requires_for_build_editable = lambda *_: 3", "its build backend returned no valid result ("),
        ("get_requires_for_build_editable = lambda *_: ['none-such']", "No matching distribution found for none-such"),
        ("import missing_module", "ModuleNotFoundError: No module named 'missing_module'"),
        ("raise RuntimeError('cannot start')", "RuntimeError: cannot start"),
    ],
)
def test_a_failed_build_of_an_editable_wheel_is_a_one_line_error(
    code: str, reason: str, python: Interpreter, store: Store, tmp_path: Path
) -> None:
    source = SourceCode("spam", path=str(make_project(tmp_path / "project", f"\n{code}\n")), editable=True)

    error = failure(source, python, store)

    assert error.message.startswith(f"cannot build spam for {python.name}: {reason}")
    assert os.path.isfile(re.match(r"the (?:build printed nothing; its )?log is `(.+?)`", str(error.hint))[1])


def test_warnings_of_a_backend_are_not_shown(
    python: Interpreter, store: Store, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    code = "import warnings\nget_requires_for_build_editable = lambda *_: warnings.warn('old') or []\n" + EDITABLE
    project = make_project(tmp_path / "project", code)

    assert build_wheel(SourceCode("spam", path=str(project), editable=True), python, OFFLINE, store)
    assert not recwarn.list


def test_a_directory_without_a_project_is_a_one_line_error(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builds, "runnable_pip", lambda *_, **__: "pip")

    message = failure(SourceCode("spam", path=str(tmp_path), editable=True), fake_interpreter(), store).message

    assert message == f"spam cannot be built: `{tmp_path}` has neither a `pyproject.toml` nor a `setup.py`"


@pytest.mark.parametrize(
    ("missing", "hint"), [("build", "install cloche again"), ("tomli", "run cloche with Python 3.11 or later")]
)
def test_a_missing_module_is_a_one_line_error(
    missing: str, hint: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The zip application does without tomli, which `build` needs on Python 3.10."""
    monkeypatch.setattr(builds, "runnable_pip", lambda *_, **__: "pip")
    monkeypatch.delitem(sys.modules, "build", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(missing), *sys.meta_path])
    source = SourceCode("spam", path=str(make_project(tmp_path / "project", EDITABLE)), editable=True)

    error = failure(source, fake_interpreter(), store)

    assert (
        error.message == f"building an editable wheel needs the module `{missing}`, which is not installed with cloche"
    )
    assert error.hint == hint


class Missing:
    """Finds no module."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, *_: object) -> None:
        if name == "build":
            raise ModuleNotFoundError("missing", name=self._name)


def test_an_interpreter_without_venv_builds_no_editable_wheels(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian's `python3-minimal` has no `venv`."""
    monkeypatch.setattr(builds, "runnable_pip", lambda *_, **__: "pip")
    source = SourceCode("spam", path=str(make_project(tmp_path / "project", EDITABLE)), editable=True)
    python = fake_interpreter(has_venv=False)

    message = failure(source, python, store).message

    assert message == f"spam cannot be built: {python.name} has no `venv` module, which isolates the build"


@pytest.mark.parametrize(
    "table",
    [
        "build-system = 3",
        "[build-system]\nrequires = 3",
        "[build-system]\nbuild-backend = 'x'",
        "[build-system]\nrequires = []\nbuild-backend = 'x'\nbackend-path = ['..']",
        "[build-system",
        "\0",
    ],
)
def test_an_invalid_pyproject_is_a_one_line_error(
    table: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builds, "runnable_pip", lambda *_, **__: "pip")
    project = make_project(tmp_path / "project", pyproject=table)

    message = failure(SourceCode("spam", path=str(project), editable=True), fake_interpreter(), store).message

    assert message.startswith("spam cannot be built: ")
    assert "pyproject.toml" in message


# Isolation


SPY = """
import json
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    seen = {"environ": dict(os.environ), "path": sys.path, "cwd": os.getcwd(), "stdin": sys.stdin.read()}
    return write(wheel_directory, {"seen.json": json.dumps(seen)})
"""


def test_a_build_sees_a_clean_environment_and_no_configuration(
    python: Interpreter, store: Store, tmp_path: Path
) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        f"[global]\nindex-url = https://user:pass@index.invalid/simple\ntarget = {tmp_path / 'planted'}\n"
        f"[wheel]\nwheel-dir = {tmp_path / 'planted'}\nrequirement = {tmp_path / 'none.txt'}\n"
    )
    environment = tmp_path / "active"
    (environment / "bin").mkdir(parents=True)
    store.host = with_variables(
        store,
        PIP_CONFIG_FILE=str(config),
        PIP_REQUIREMENT=str(tmp_path / "none.txt"),
        PIP_WHEEL_DIR=str(tmp_path / "planted"),
        PIP_NO_BUILD_ISOLATION="0",
        PIP_NO_BINARY=":all:",
        PYTHONPATH=str(tmp_path / "modules"),
        PYTHONHOME="/nowhere",
        VIRTUAL_ENV=str(environment),
        PATH=f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
        CFLAGS="-O2",
    )
    store.host = replace(store.host, cwd=str(tmp_path))
    (tmp_path / "pip.py").write_text("raise SystemExit('planted')")
    project = make_project(tmp_path / "project", SPY)

    wheel = build_wheel(SourceCode("spam", path=str(project)), python, Wanted(network="last-resort"), store)

    with zipfile.ZipFile(wheel) as archive:
        seen = json.loads(archive.read("seen.json"))
    assert seen["environ"]["CFLAGS"] == "-O2"
    assert seen["environ"]["PIP_INDEX_URL"] == "https://user:pass@index.invalid/simple"
    names = {name for name in seen["environ"] if name.startswith(("PIP_", "PYTHON", "VIRTUAL", "CLOCHE"))}
    assert not names & {"PIP_REQUIREMENT", "PIP_WHEEL_DIR", "PIP_NO_BINARY", "PYTHONHOME", "VIRTUAL_ENV"}
    assert str(tmp_path / "modules") not in seen["environ"]["PYTHONPATH"], "pip sets it for its isolation"
    assert str(environment / "bin") not in seen["environ"]["PATH"]
    assert seen["stdin"] == ""
    assert not (tmp_path / "planted").exists()


def test_the_pip_in_the_store_does_not_change(sdist: SourceCode, python: Interpreter, store: Store) -> None:
    from cloche.store.images.verification import verify_image

    build_wheel(sdist, python, OFFLINE, store)

    [images] = store.readable_directories("images")
    roots = [
        os.path.join(images, abi, name) for abi in os.listdir(images) for name in os.listdir(os.path.join(images, abi))
    ]
    assert roots
    assert [problem for root in roots for problem in verify_image(root)] == []


# Failures


@pytest.mark.parametrize(
    ("backend", "reason"),
    [
        ("def build_wheel(*_, **__): raise RuntimeError('no compiler')", "RuntimeError: no compiler"),
        ("def build_wheel(*_, **__): sys.exit(7)", ""),
        ("def build_wheel(*_, **__): os._exit(3)", ""),
        ("raise ImportError('cannot start')", "ImportError: cannot start"),
        ("def build_wheel(directory, *_, **__): return 'spam-1.0-py3-none-any.whl'", ""),
        ("NAME = 'ham'", ""),
        ("VERSION = '1.1'", ""),
        ("TAG = 'cp27-cp27mu-win32'", ""),
        ("def build_wheel(directory, *_, **__): return write(os.path.dirname(directory), {})", ""),
    ],
    ids=["exception", "exit", "crash", "import", "nothing", "name", "version", "tag", "elsewhere"],
)
def test_a_failed_build_is_a_one_line_error(
    backend: str, reason: str, python: Interpreter, store: Store, tmp_path: Path
) -> None:
    source = SourceCode(
        "spam", "1.0", path=str(make_sdist(make_project(tmp_path / "project", f"\n{backend}\n"), tmp_path))
    )

    error = failure(source, python, store)

    assert error.message.startswith(f"cannot build spam 1.0 for {python.name}: ")
    assert error.message.endswith(reason)
    assert error.exit_code == 5
    log = re.match(r"the log is `(.+)`; it ends with:\n  ", str(error.hint))
    assert log
    assert Path(log[1]).stat().st_size
    assert error.message.rpartition(": ")[2] not in ("", "no error message")


def test_a_source_distribution_cannot_write_elsewhere(python: Interpreter, store: Store, tmp_path: Path) -> None:
    sdist = make_sdist(make_project(tmp_path / "project"), tmp_path / "dist")
    planted = tarfile.TarInfo("spam-1.0/../../../../../../../../../../../../" + str(tmp_path / "planted").lstrip("/"))
    with gzip.open(sdist, "rb") as file:
        unpacked = tmp_path / "spam.tar"
        unpacked.write_bytes(file.read())
    with tarfile.open(unpacked, "a") as archive:
        archive.addfile(planted)
    with gzip.open(sdist, "wb") as file:
        file.write(unpacked.read_bytes())

    assert failure(SourceCode("spam", "1.0", str(sdist)), python, store).message.startswith(
        "cannot build spam 1.0 for "
    )
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"path": "/does/not/exist.tar.gz"}, "`/does/not/exist.tar.gz` cannot be read (no such file or directory)"),
        ({"path": "FIFO"}, "cannot be read (not a regular file)"),
        ({"path": ""}, "spam cannot be built: the lock file gives no file, directory or commit for it"),
        ({"path": "/tmp", "subdirectory": "../x"}, "its subdirectory `../x` is not a relative path"),
        ({"path": "/tmp", "subdirectory": "/x"}, "its subdirectory `/x` is not a relative path"),
        ({"path": "/tmp", "subdirectory": "a\\..\\b"}, "is not a relative path inside the source"),
        ({"vcs": "git", "commit": "0" * 40, "url": "https://["}, "the URL of its repository is not supported"),
        ({"path": "/does/not/exist", "editable": True}, "is not a directory, so it cannot be installed as editable"),
        ({"vcs": "cvs", "commit": "0" * 40, "url": "https://x.invalid"}, "the version control system `cvs` is not"),
        ({"vcs": "git", "commit": "main", "url": "https://x.invalid"}, "`main` is not a full commit ID of git"),
        ({"vcs": "git", "commit": "--upload-pack=x", "url": "https://x.invalid"}, "is not a full commit ID of git"),
        ({"vcs": "git", "commit": "0" * 40, "url": "ext::sh -c planted"}, "it begins with `ext:`"),
        ({"vcs": "git", "commit": "0" * 40, "url": "--upload-pack=x"}, "the URL of its repository is not supported"),
        ({"vcs": "git", "commit": "0" * 40, "url": "https://x.invalid"}, "`--no-download` prevents downloads"),
        ({"vcs": "git", "commit": "0" * 40, "url": "git@x.invalid:a/b"}, "`--no-download` prevents downloads"),
    ],
)
def test_an_unusable_source_is_a_one_line_error(
    fields: dict[str, object], reason: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pip_settings, "list_settings", lambda *_: PipRun(""))
    if fields.get("path") == "FIFO":
        os.mkfifo(tmp_path / "fifo")
        fields = {"path": str(tmp_path / "fifo")}
    with pytest.raises(SeedError) as caught:
        build_wheel(SourceCode("spam", **fields), fake_interpreter(), OFFLINE, store)  # type: ignore[arg-type]

    assert reason in caught.value.message


def test_builds_can_be_refused(store: Store) -> None:
    """Earlier wheels do not count: otherwise the answer would depend on the cache."""
    sources = [SourceCode("spam", "1.0", "/spam.tar.gz"), SourceCode("egg", path="/egg")]

    with pytest.raises(SeedError, match=r"`--only-binary` prevents building, .* `spam 1\.0`, `egg`"):
        build_wheels(sources, fake_interpreter(), OFFLINE, store, only_binary=True)
    assert build_wheels([], fake_interpreter(), OFFLINE, store, only_binary=True) == []


def test_the_reason_of_a_failed_clone_is_what_git_says(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "  Running command git fetch -q file:///spam 0000\n"
        "  fatal: remote error: upload-pack: not our ref 0000\n"
        "  error: subprocess-exited-with-error\n"
        "  \u00d7 git fetch -q file:///spam 0000 did not run successfully.\n"
        "  │ exit code: 128\n"
        "  ╰─> No available output.\n"
        "ERROR: Failed to build 'git+file:/spam@0000' when git fetch -q file:///spam 0000\n",
        encoding="utf-8",
    )

    assert likely_reason(str(log)) == "fatal: remote error: upload-pack: not our ref 0000"


def test_credentials_in_a_log_are_not_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("fatal: cannot reach https://user:p4ssword@host.invalid/x and ssh://t0ken@host.invalid\n")
    source = SourceCode("spam")

    error = build_error(source, fake_interpreter(), likely_reason(str(log)), str(log))

    assert "p4ssword" not in f"{error.message} {error.hint}"
    assert "t0ken" not in f"{error.message} {error.hint}"
    assert "https://****@host.invalid/x" in error.message


def test_a_missing_commit_is_a_one_line_error(python: Interpreter, store: Store, tmp_path: Path) -> None:
    make_repository(make_project(tmp_path / "project"), tmp_path / "repository")
    source = SourceCode("spam", url=(tmp_path / "repository").as_uri(), vcs="git", commit="1" * 40)

    assert "1" * 40 in f"{failure(source, python, store).message} {failure(source, python, store).hint}"


def test_a_pip_that_is_too_old_is_a_one_line_error(
    sdist: SourceCode, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloche.store.runnable_pip.OLDEST_PIP", "9999")

    with pytest.raises(
        SeedError, match=r"pip [\d.]+ is too old to install packages for .*: pip 9999 or later is needed"
    ):
        build_wheel(sdist, find(), OFFLINE, store)


INTERRUPTED = """
import sys
from cloche.cli.dispatch import install_signal_handlers
from cloche.api import find
from cloche.model.plan import Wanted
from cloche.store import Store
from cloche.store.builds.sources import SourceCode
from cloche.store.builds import build_wheels
from cloche.testing import fake_host

install_signal_handlers()
source, python, root, home, path, editable = sys.argv[1:]
environ = {"HOME": home, "PATH": path, "PIP_CONFIG_FILE": "/dev/null"}
with Store.open(fake_host(environ=environ, cwd=home), root) as store:
    build_wheels([SourceCode("spam", "1.0", source, editable=bool(editable))], find(python), Wanted(network="never"), store)
"""

HANGS = """
import subprocess, signal, time
def {hook}(*_, **__):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"])
    open({marker!r} + ".new", "w").write("%d %d" % (os.getpid(), child.pid))
    os.rename({marker!r} + ".new", {marker!r})
    time.sleep(600)
"""


@pytest.mark.skipif(os.name == "nt", reason="there are no process groups")
@pytest.mark.parametrize("kind", ["sdist", "editable"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_all_processes_of_a_build(
    number: signal.Signals, kind: str, python: Interpreter, store: Store, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    hook = "build_editable" if kind == "editable" else "build_wheel"
    project = make_project(tmp_path / "project", HANGS.format(marker=str(marker), hook=hook))
    source = project if kind == "editable" else make_sdist(project, tmp_path)
    arguments = [str(source), python.executable, store.root, store.host.cwd, os.environ["PATH"]]
    arguments.append("editable" if kind == "editable" else "")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED), *arguments],
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not marker.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(number)
    process.communicate(timeout=30)

    for pid in map(int, marker.read_text().split()):
        deadline = time.monotonic() + 5
        while is_running(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not is_running(pid)
    [directory] = store.readable_directories("builds")
    assert [name for name in os.listdir(directory) if name.endswith(".new")] == []
    assert [*temporary.iterdir()] == []


def is_running(pid: int) -> bool:
    """Return whether a process exists that is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# Real build backends, from the index


SETUPTOOLS = """\
[build-system]
requires = ["setuptools>=61"]
build-backend = "setuptools.build_meta"
[project]
name = "spam"
version = "1.0"
[tool.setuptools]
packages = ["spam"]
package-dir = { "" = "src" }
"""


@pytest.fixture
def online(store: Store) -> Store:
    """A store of a user who has the settings of the machine."""
    kept = {
        name: text for name, text in os.environ.items() if not name.startswith(("CLOCHE_", "VIRTUAL_ENV", "PYTHON"))
    }
    store.host = replace(store.host, environ={**kept, "HOME": store.host.cwd})
    return store


def write_package(directory: Path, pyproject: str) -> Path:
    (directory / "src" / "spam").mkdir(parents=True)
    (directory / "src" / "spam" / "__init__.py").write_text("x = 1\n")
    (directory / "pyproject.toml").write_text(pyproject)
    return directory


def names_in(wheel: str) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.nightly
@pytest.mark.parametrize("editable", [False, True])
@pytest.mark.parametrize("backend", ["setuptools", "hatchling", "flit", "poetry", "legacy"])
@pytest.mark.parametrize("minor", ["3.8", "3.13"])
def test_projects_of_common_backends_are_built(
    minor: str, backend: str, editable: bool, online: Store, tmp_path: Path
) -> None:
    requires = {"flit": "flit_core>=3.4", "poetry": "poetry-core>=1.1", "hatchling": "hatchling"}
    module = {"flit": "flit_core.buildapi", "poetry": "poetry.core.masonry.api", "hatchling": "hatchling.build"}
    pyproject = SETUPTOOLS
    if backend in requires:
        metadata = '[project]\nname = "spam"\nversion = "1.0"\ndescription = "x"\n'
        pyproject = (
            f'[build-system]\nrequires = ["{requires[backend]}"]\nbuild-backend = "{module[backend]}"\n{metadata}'
        )
        if backend == "poetry":
            pyproject += '[tool.poetry]\nname = "spam"\nversion = "1.0"\ndescription = ""\nauthors = []\n'
            pyproject += 'packages = [{ include = "spam", from = "src" }]\n'
        if backend == "flit":
            pyproject += '[tool.flit.module]\nname = "spam"\n'
    project = write_package(tmp_path / "project", pyproject)
    if backend == "legacy":
        (project / "pyproject.toml").unlink()
        (project / "setup.py").write_text(
            "from setuptools import setup\nsetup(name='spam', version='1.0', packages=['spam'], package_dir={'': 'src'})\n"
        )
    python = find(interpreters.pyenv(minor))

    wheel = build_wheel(SourceCode("spam", "1.0", str(project), editable=editable), python, Wanted(), online)

    assert ("spam/__init__.py" in names_in(wheel)) != editable
    assert not (project / "build").exists()


@pytest.mark.nightly
def test_a_deleted_module_is_not_in_the_next_wheel(online: Store, tmp_path: Path) -> None:
    """setuptools takes it from its `build` directory if that is in the project."""
    project = write_package(tmp_path / "project", SETUPTOOLS)
    (project / "src" / "spam" / "old.py").write_text("")
    source = SourceCode("spam", path=str(project))
    assert "spam/old.py" in names_in(build_wheel(source, find(), Wanted(), online))
    (project / "src" / "spam" / "old.py").unlink()

    assert "spam/old.py" not in names_in(build_wheel(source, find(), Wanted(), online))


@pytest.mark.nightly
def test_an_extension_is_built_for_the_target(online: Store, tmp_path: Path) -> None:
    project = write_package(tmp_path / "project", SETUPTOOLS)
    (project / "spam.c").write_text(
        '#include <Python.h>\nstatic struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "_spam"};\n'
        "PyMODINIT_FUNC PyInit__spam(void) { return PyModule_Create(&m); }\n"
    )
    (project / "setup.py").write_text(
        "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('spam._spam', ['spam.c'])])\n"
    )
    sdist = make_sdist(project, tmp_path / "dist")

    for minor in ("3.8", "3.13"):
        python = find(interpreters.pyenv(minor))
        wheel = build_wheel(SourceCode("spam", "1.0", str(sdist)), python, Wanted(), online)
        assert any(name.startswith(f"spam/_spam.{python.soabi}") for name in names_in(wheel))
