"""Test the choice of a seed: the order of the sources, compatibility with an interpreter, and the error without a match."""

from __future__ import annotations

import importlib
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloche.api import find
from cloche.errors import SeedError, UsageError
from cloche.fs.inputs import Inputs
from cloche.fs.signatures import are_unchanged
from cloche.lifecycle.doctor.checks.packages import is_for_other_abi
from cloche.model.plan import Wanted
from cloche.model.value import replace
from cloche.store import Store
from cloche.store.contents import verify_contents
from cloche.store.dependencies import unmet_needs, with_dependencies
from cloche.store.distributions import read_wheel
from cloche.store.requirements import Requirement, parse_requirement, parse_requirements
from cloche.store.seed_sources import choose_distribution
from cloche.store.tags import abi_tag, abi_tags, incompatibility, tag_incompatibility
from cloche.testing.fakes import fake_interpreter
from tests.distributions import host_with_home, install_wheel, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloche.model.aliases import Network
    from cloche.model.interpreter import Interpreter
    from cloche.store.distributions import Distribution


SYS_PATH = [*sys.path]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store, with a `sys.path` on which no pip is installed."""
    for name in ("packaging.specifiers", "packaging.tags"):  # before their directory is removed from the path
        importlib.import_module(name)
    without_pip = [entry for entry in sys.path if os.path.isdir(entry) and not list(Path(entry).glob("pip-*"))]
    monkeypatch.setattr(sys, "path", without_pip)
    return Store.open(replace(host_with_home(tmp_path / "home"), executable=str(tmp_path / "no-python")))


@pytest.fixture
def interpreter(tmp_path: Path) -> Interpreter:
    """A CPython 3.12 without wheels in its ensurepip."""
    return fake_interpreter(stdlib=str(tmp_path / "stdlib"))


def choose(
    wanted: str, interpreter: Interpreter, store: Store, *find_links: Path, network: Network = "never"
) -> Distribution:
    requirement = parse_requirement(wanted)
    return choose_distribution(requirement, interpreter, Wanted((wanted,), tuple(map(str, find_links)), network), store)


def refusal(
    wanted: str, interpreter: Interpreter, store: Store, *find_links: Path, network: Network = "never"
) -> SeedError:
    with pytest.raises(SeedError) as raised:
        choose(wanted, interpreter, store, *find_links, network=network)
    assert raised.value.exit_code == 5
    assert raised.value.hint
    return raised.value


# Requirements


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("pip", "pip", ""),
        ("pip==24.0", "pip", "24.0"),
        (" Foo_Bar.baz == 1.0.post1 ", "foo-bar-baz", "1.0.post1"),
        ("spam==2!1.0rc1+local.1", "spam", "2!1.0rc1+local.1"),
    ],
)
def test_a_requirement_is_a_name_with_an_optional_version(text: str, name: str, version: str) -> None:
    assert parse_requirement(text) == Requirement(name, version)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "==1",
            "pip==",
            "pip>=24",
            "pip==24,<25",
            "pip[extra]",
            "pip; python_version>'3'",
            "./pip.whl",
            "pip==1.zip",
        ),
        *(
            "--index-url=https://example.org",
            "-r requirements.txt",
            "pip @ https://example.org/pip.whl",
            "pip==invalid",
        ),
        *("pip\n--pre", "pip==24.0 --pre", "../pip", "pip==1.0/../../x"),
    ],
)
def test_any_other_text_is_not_a_requirement(text: str) -> None:
    with pytest.raises(UsageError):
        parse_requirement(text)


@pytest.mark.parametrize("version", [">=24", "==24.0", "~=24"])
def test_a_range_as_a_version_is_shown_as_it_was_written(version: str) -> None:
    """`--pip VERSION` becomes `pip==VERSION`."""
    with pytest.raises(UsageError, match=f"^`{version}` is not a valid version of pip$"):
        parse_requirement(f"pip=={version}")


# Several candidates


def test_the_newest_compatible_version_is_chosen(tmp_path: Path, store: Store, interpreter: Interpreter) -> None:
    links = tmp_path / "links"
    make_wheel(links, version="1.9")
    make_wheel(links, version="1.10")
    make_wheel(links, version="2.0", requires_python=">=3.13")
    make_wheel(links, version="3.0", tags=["cp39-cp39-win32"])
    make_wheel(links, version="4.0rc1")

    assert choose("spam", interpreter, store, links).version == "1.10"
    assert choose("spam", replace(interpreter, version=(3, 13, 0, "final", 0)), store, links).version == "2.0"


def test_a_prerelease_is_chosen_if_there_is_no_release(tmp_path: Path, store: Store, interpreter: Interpreter) -> None:
    make_wheel(tmp_path / "links", version="4.0rc1")
    make_wheel(tmp_path / "links", version="4.0rc2")

    assert choose("spam", interpreter, store, tmp_path / "links").version == "4.0rc2"


@pytest.mark.parametrize(
    ("wanted", "version"), [("spam==1.9", "1.9"), ("spam==1.9.0", "1.9"), ("spam==2.0", "2.0+local")]
)
def test_only_the_requested_version_is_chosen(
    wanted: str, version: str, tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    for available in ("1.9", "1.10", "2.0+local"):
        make_wheel(tmp_path / "links", version=available)

    assert choose(wanted, interpreter, store, tmp_path / "links").version == version


def test_a_find_links_directory_takes_precedence_over_newer_wheels_elsewhere(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    make_wheel(tmp_path / "links", version="1.0")
    make_wheel(Path(store.writable_directory("wheels")), version="2.0")
    make_wheel(Path(interpreter.stdlib) / "ensurepip" / "_bundled", version="3.0")

    assert choose("spam", interpreter, store, tmp_path / "links").version == "1.0"
    assert choose("spam", interpreter, store).version == "3.0"
    assert choose("spam==3.0", interpreter, store, tmp_path / "links").version == "3.0"


def test_a_find_links_directory_without_the_wheel_is_skipped(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    make_wheel(tmp_path / "links", name="eggs")
    make_wheel(Path(store.writable_directory("wheels")))

    assert choose("spam", interpreter, store, tmp_path / "links", tmp_path / "missing").version == "1.0"


def add_wheel_that_is_not_an_archive(directory: Path) -> None:
    (directory / "spam-4.0-py3-none-any.whl").write_bytes(b"not a zip archive")


def add_wheel_that_is_a_directory(directory: Path) -> None:
    (directory / "spam-4.0-py3-none-any.whl").mkdir()


def add_wheel_without_metadata(directory: Path) -> None:
    make_wheel(directory, version="4.0", METADATA="")


UNREADABLE = [add_wheel_that_is_not_an_archive, add_wheel_that_is_a_directory, add_wheel_without_metadata]


@pytest.mark.parametrize("damage", UNREADABLE)
def test_an_unreadable_wheel_in_find_links_is_an_error(
    damage: Callable[[Path], None], tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    links = tmp_path / "links"
    make_wheel(links, version="1.0")
    make_wheel(Path(store.writable_directory("wheels")), version="5.0")
    damage(links)

    error = refusal("spam", interpreter, store, links)
    assert "spam-4.0-py3-none-any.whl` cannot be used: " in error.message
    assert choose("spam==1.0", interpreter, store, links).version == "1.0"


@pytest.mark.parametrize("damage", UNREADABLE)
def test_an_unreadable_wheel_in_the_cache_is_skipped(
    damage: Callable[[Path], None], tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    wheels = Path(store.writable_directory("wheels"))
    make_wheel(wheels, version="1.0")
    damage(wheels)

    assert choose("spam", interpreter, store, tmp_path / "links").version == "1.0"


def test_a_symbolic_link_in_the_cache_is_ignored(tmp_path: Path, store: Store, interpreter: Interpreter) -> None:
    wheels = Path(store.writable_directory("wheels"))
    make_wheel(wheels, version="1.0")
    (wheels / "spam-5.0-py3-none-any.whl").symlink_to(make_wheel(tmp_path / "elsewhere", version="5.0"))

    assert choose("spam", interpreter, store).version == "1.0"


def test_a_file_without_a_valid_wheel_name_is_skipped(tmp_path: Path, store: Store, interpreter: Interpreter) -> None:
    links = tmp_path / "links"
    make_wheel(links, version="1.0")
    for name in ("spam.whl", "spam-9.0.whl", "spam-9.0-1-2-py3-none-any.whl"):
        (links / name).write_bytes(b"")

    assert choose("spam", interpreter, store, links).version == "1.0"


def test_a_wheel_whose_metadata_has_another_name_is_skipped(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    links = tmp_path / "links"
    make_wheel(links, version="1.0")
    make_wheel(links, version="5.0", name="eggs").rename(links / "spam-5.0-py3-none-any.whl")

    assert choose("spam", interpreter, store, links).version == "1.0"
    assert "is not `spam`" in refusal("spam==5.0", interpreter, store, links).message


def test_a_wheel_whose_metadata_has_another_version_is_skipped(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    links = tmp_path / "links"
    make_wheel(links, version="1.0")
    make_wheel(links, version="0.9").rename(links / "spam-5.0-py3-none-any.whl")
    make_wheel(links, version="0.8.0").rename(links / "spam-0.8-py3-none-any.whl")

    assert choose("spam", interpreter, store, links).version == "1.0"
    assert choose("spam==0.8", interpreter, store, links).version == "0.8.0"
    assert "spam 0.9 has `5.0` in its file name" in refusal("spam==5.0", interpreter, store, links).message


# The pip beside cloche


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store) -> Path:
    """A site-packages directory on the `sys.path` of the Python that runs cloche, with pip in it."""
    del store  # its fixture must change the path first
    wheel = make_wheel(
        tmp_path / "wheels", "pip", "26.0", {"pip/__init__.py": "", "pip/_vendor/__init__.py": "DEBUNDLED = False\n"}
    )
    directory = tmp_path / "site-packages"
    install_wheel(wheel, directory)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path / "python.zip"), str(directory), *sys.path])
    return directory


def test_the_pip_beside_cloche_is_used(site: Path, store: Store, interpreter: Interpreter) -> None:
    distribution = choose("pip", interpreter, store)

    assert (distribution.version, distribution.kind, distribution.location) == ("26.0", "installed", str(site))
    names = {file.path for file in distribution.files}
    assert "pip/__init__.py" in names
    assert "pip-26.0.dist-info/METADATA" in names
    assert not any("bin/" in name or name.endswith(("INSTALLER", "RECORD")) for name in names)


@pytest.mark.usefixtures("site")
def test_a_wheel_and_the_distribution_installed_from_it_have_the_same_digest(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    beside = choose("pip", interpreter, store)
    wheel = choose("pip", interpreter, store, tmp_path / "wheels")

    assert (wheel.kind, beside.kind) == ("wheel", "installed")
    assert wheel.digest == beside.digest


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("in_store", "expected"),
    [("25.0", "26.0"), ("27.0", "27.0"), ("25.9.1", "26.0"), ("26.0.1", "26.0.1"), ("26.0.0", "26.0")],
)
def test_the_newest_local_pip_is_used(in_store: str, expected: str, store: Store, interpreter: Interpreter) -> None:
    make_wheel(Path(store.writable_directory("wheels")), "pip", in_store)

    assert choose("pip", interpreter, store).version == expected


@pytest.mark.usefixtures("site")
def test_a_cache_that_gets_its_first_wheel_is_noticed(store: Store, interpreter: Interpreter) -> None:
    store.inputs = Inputs()
    assert choose("pip", interpreter, store).version == "26.0"
    recorded = store.inputs.recorded
    assert are_unchanged(recorded, {})

    make_wheel(Path(store.writable_directory("wheels")), "pip", "27.0")

    assert not are_unchanged(recorded, {})
    assert choose("pip", interpreter, store).version == "27.0"


@pytest.mark.parametrize(("name", "broken", "working"), [("pip", "23.0.1", "23.1"), ("setuptools", "66.0.0", "66.1.0")])
def test_a_version_that_fails_on_the_python_is_used_only_on_request(
    name: str, broken: str, working: str, tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    """Its metadata allows any Python, and an older Python may have left it in the cache."""
    wheel = make_wheel(Path(store.writable_directory("wheels")), name, broken)

    assert f"the cache: {name} {broken} does not work with Python 3.12" in refusal(name, interpreter, store).message
    assert choose(f"{name}=={broken}", interpreter, store).version == broken
    assert choose(name, interpreter, store, wheel.parent).version == broken
    assert choose(name, replace(interpreter, version=(3, 11, 0, "final", 0)), store).version == broken
    make_wheel(Path(store.writable_directory("wheels")), name, working)
    assert choose(name, interpreter, store).version == working


def test_only_pip_is_used_from_beside_cloche(
    tmp_path: Path, site: Path, store: Store, interpreter: Interpreter
) -> None:
    install_wheel(make_wheel(tmp_path / "wheels"), site)

    assert "nothing" in refusal("spam", interpreter, store).message


def test_a_debundled_pip_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store, interpreter: Interpreter
) -> None:
    files = {"pip/__init__.py": "", "pip/_vendor/__init__.py": "x = 1\nDEBUNDLED = True\n"}
    install_wheel(make_wheel(tmp_path / "wheels", "pip", "26.0", files), tmp_path / "site")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])

    assert "has no bundled libraries" in refusal("pip", interpreter, store).message


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda info: (info / "RECORD").unlink(), "`pip-26.0.dist-info/RECORD` is missing"),
        (lambda info: (info / "RECORD").write_text("a,b\n"), "its RECORD is not valid"),
        (lambda info: (info / "RECORD").write_text(2 * (info / "RECORD").read_text()), "its RECORD lists a file twice"),
        (lambda info: (info / "RECORD").write_text("pip/__init__.py,,\n"), "RECORD has no hash for `pip/__init__.py`"),
        (lambda info: (info / "RECORD").write_text("../../../share/x,sha256=a,1\n"), "outside site-packages"),
        (lambda info: (info / "METADATA").unlink(), "METADATA` is missing"),
        (lambda info: (info / "WHEEL").write_bytes(b"\xff\xfe"), "WHEEL` cannot be read"),
        (lambda info: (info.parent / "pip/_vendor/__init__.py").write_bytes(b"\xff"), "__init__.py` cannot be read"),
    ],
)
def test_an_installed_pip_with_a_damaged_record_is_skipped(
    damage: object, reason: str, site: Path, store: Store, interpreter: Interpreter
) -> None:
    damage(site / "pip-26.0.dist-info")  # type: ignore[operator]
    make_wheel(Path(interpreter.stdlib) / "ensurepip" / "_bundled", "pip", "20.0")

    assert choose("pip", interpreter, store).version == "20.0"
    assert reason in refusal("pip==26.0", interpreter, store).message


def test_a_named_pipe_instead_of_an_installed_file_does_not_block(
    site: Path, store: Store, interpreter: Interpreter
) -> None:
    distribution = choose("pip", interpreter, store)
    (site / "pip" / "__init__.py").unlink()
    os.mkfifo(site / "pip" / "__init__.py")

    with pytest.raises(SeedError, match=r"`pip/__init__\.py` cannot be read"):
        verify_contents(distribution)


@pytest.mark.usefixtures("site")
def test_a_pip_in_the_current_directory_is_not_used(
    tmp_path: Path, store: Store, interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "project"
    files = {"pip/__init__.py": "planted", "pip/_vendor/__init__.py": "DEBUNDLED = False\n"}
    planted = make_wheel(tmp_path / "planted", "pip", "99.0", files)
    install_wheel(planted, here)
    install_wheel(planted, here / "lib")
    monkeypatch.setattr(sys, "path", [str(here), ".", "lib", *sys.path])
    monkeypatch.chdir(here)
    store.host = replace(store.host, cwd=str(here))

    assert choose("pip", interpreter, store).version == "26.0"


# The target's own ensurepip


@pytest.mark.parametrize("quote", ["'", '"'])
def test_ensurepip_wheels_are_found_where_a_linux_distribution_keeps_them(
    quote: str, tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    make_wheel(tmp_path / "python-wheels", "pip", "23.0")
    stdlib = Path(interpreter.stdlib)
    stdlib.mkdir()
    (stdlib / "_sysconfigdata__linux_x86_64-linux-gnu.py").write_text(
        f"build_time_vars = {{\n {quote}WHEEL_PKG_DIR{quote}: {quote}{tmp_path}/python-wheels/{quote},\n}}\n"
    )

    assert choose("pip", interpreter, store).version == "23.0"


@pytest.mark.parametrize("kind", ["directory", "broken link"])
def test_unreadable_build_variables_are_ignored(
    kind: str, tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    stdlib = Path(interpreter.stdlib)
    stdlib.mkdir()
    variables = stdlib / "_sysconfigdata__linux_x86_64-linux-gnu.py"
    if kind == "directory":
        variables.mkdir()
    else:
        variables.symlink_to(tmp_path / "missing")

    assert "the ensurepip of this Python: nothing found" in refusal("wheel", interpreter, store).message


def test_an_old_python_gets_a_pip_that_supports_it(site: Path, store: Store, interpreter: Interpreter) -> None:
    metadata = (site / "pip-26.0.dist-info" / "METADATA").read_text()
    (site / "pip-26.0.dist-info" / "METADATA").write_text(metadata + "Requires-Python: >=3.9\n")
    make_wheel(
        Path(interpreter.stdlib) / "ensurepip" / "_bundled", "pip", "18.1", tags=["py2-none-any", "py3-none-any"]
    )
    old = replace(interpreter, version=(3, 6, 15, "final", 0))

    assert choose("pip", old, store).version == "18.1"
    assert "pip 26.0 needs Python >=3.9" in refusal("pip==26.0", old, store).message


# The index


def fake_pip(tmp_path: Path, store: Store, script: str) -> Path:
    """Replace the Python that runs cloche with a shell script; return the directory where it records how it was run."""
    seen = tmp_path / "seen"
    seen.mkdir()
    program = tmp_path / "python"
    program.write_text(
        "#!/bin/sh\n"
        "[ \"$3 $4\" != 'config list' ] || { env | sed -n \"s/^PIP_\\(INDEX_URL\\)=\\(.*\\)/:env:.index-url='\\2'/p\"; exit; }\n"
        f"printf '%s\\n' \"$@\" > {seen}/arguments\nenv > {seen}/environ\npwd > {seen}/cwd\nls -a > {seen}/listing\n"
        'while [ "$1" != --dest ]; do shift; done\n'
        f"dest=$2\n{script}\n"
    )
    program.chmod(0o755)
    store.host = replace(store.host, executable=str(program))
    return seen


needs_sh = pytest.mark.skipif(os.name == "nt", reason="the fake pip is a shell script")


@needs_sh
def test_a_wheel_is_downloaded_as_a_last_resort_and_kept_in_the_store(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    wheel = make_wheel(tmp_path / "index")
    seen = fake_pip(tmp_path, store, f"cp {wheel} $dest/")
    progress: list[str] = []
    store.progress = progress.append
    store.host = replace(
        store.host,
        environ={**store.host.environ, "PIP_INDEX_URL": "https://example.org", "PIP_REQUIRE_VIRTUALENV": "1"},
    )

    distribution = choose("spam==1.0", interpreter, store, network="last-resort")

    assert distribution.location == os.path.join(store.writable_directory("wheels"), wheel.name)
    assert os.listdir(store.writable_directory("wheels")) == [wheel.name]
    assert progress == ["downloading spam==1.0 for CPython 3.12.1"]
    arguments = (seen / "arguments").read_text().split("\n")[:-1]
    assert arguments[:3] == ["-m", "pip", "download"]
    assert arguments[-2:] == ["--", "spam==1.0"]
    assert {"--only-binary", ":all:", "--no-deps"} <= set(arguments)
    assert arguments[arguments.index("--python-version") + 1] == "3.12.1"
    assert "cp312" in arguments
    assert "PIP_INDEX_URL=https://example.org" in (seen / "environ").read_text()
    assert "PIP_REQUIRE_VIRTUALENV" not in (seen / "environ").read_text()
    assert (seen / "listing").read_text().split() == [".", ".."], (
        "pip must not import modules from its current directory"
    )
    assert choose("spam", interpreter, store).location == distribution.location, "the next run finds it in the store"


@needs_sh
@pytest.mark.parametrize("network", ["last-resort", "never"])
def test_nothing_is_downloaded_if_a_local_wheel_is_compatible(
    network: Network, tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    seen = fake_pip(tmp_path, store, "exit 1")
    make_wheel(Path(store.writable_directory("wheels")))

    assert choose("spam", interpreter, store, network=network).version == "1.0"
    assert list(seen.iterdir()) == []


@needs_sh
def test_the_index_is_asked_first_if_the_newest_version_is_wanted(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    make_wheel(Path(store.writable_directory("wheels")), version="1.0")
    fake_pip(tmp_path, store, f"cp {make_wheel(tmp_path / 'index', version='2.0')} $dest/")

    assert choose("spam", interpreter, store, network="newest").version == "2.0"


@needs_sh
def test_a_failed_download_falls_back_to_a_local_wheel_with_a_warning(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    make_wheel(Path(store.writable_directory("wheels")), version="1.0")
    fake_pip(tmp_path, store, "echo 'WARNING: slow'; echo 'ERROR: no route to host'; exit 1")

    assert choose("spam", interpreter, store, network="newest").version == "1.0"
    [warning] = store.warnings
    assert warning == "using a local `spam`: pip could not download `spam`: no route to host"


@needs_sh
def test_a_failed_download_without_a_local_wheel_is_one_error(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    fake_pip(tmp_path, store, "echo 'ERROR: no route to host'; exit 1")

    with pytest.raises(SeedError, match="no route to host"):
        choose("spam", interpreter, store, network="newest")
    assert store.warnings == []


@needs_sh
@pytest.mark.parametrize("script", ["exit 0", "kill -9 $$", "touch $dest/a.whl $dest/b.whl", "touch $dest/a.tar.gz"])
def test_a_failed_download_leaves_no_files(script: str, tmp_path: Path, store: Store, interpreter: Interpreter) -> None:
    fake_pip(tmp_path, store, script)

    assert "pip could not download `spam`" in refusal("spam", interpreter, store, network="last-resort").message
    assert os.listdir(store.writable_directory("wheels")) == []


def test_the_error_says_that_the_python_for_pip_does_not_exist(store: Store, interpreter: Interpreter) -> None:
    message = refusal("spam", interpreter, store, network="last-resort").message
    assert "cannot be run (no such file or directory)" in message


def test_the_error_lists_what_each_source_has(tmp_path: Path, store: Store, interpreter: Interpreter) -> None:
    make_wheel(tmp_path / "links", version="1.0", requires_python=">=3.13")
    make_wheel(Path(store.writable_directory("wheels")), version="2.0", tags=["cp39-cp39-win_amd64"])

    error = refusal("spam", interpreter, store, tmp_path / "links")

    assert error.message == (
        "no `spam` found for CPython 3.12.1: `--find-links`: spam 1.0 needs Python >=3.13; "
        "the ensurepip of this Python: nothing found; the cache: spam 2.0 is built for cp39-cp39-win_amd64"
    )
    assert "leave out `--no-download`" in str(error.hint)


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="tests POSIX permissions")
def test_a_find_links_directory_that_cannot_be_read_is_an_error(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    (tmp_path / "links").write_text("a file")
    make_wheel(Path(store.writable_directory("wheels")))

    error = refusal("spam", interpreter, store, tmp_path / "links")
    assert error.message == f"`{tmp_path / 'links'}` cannot be read (not a directory)"
    assert error.hint == "name the directory that contains the wheels"
    assert stat.S_ISREG((tmp_path / "links").stat().st_mode)


# Dependencies


def test_only_dependencies_that_apply_and_are_missing_are_needed(tmp_path: Path, interpreter: Interpreter) -> None:
    needs = [
        "eggs>=1",
        "bacon; python_version < '3.8'",
        "toast; sys_platform == 'linux' and platform_system == 'Linux'",
        "tea; extra == 'drinks'",
        "Spam_Two",
        "cup>=2",
        "? what",
    ]
    spam = read_wheel(str(make_wheel(tmp_path, requires=needs)))
    two = read_wheel(str(make_wheel(tmp_path, "spam.two", requires=["Spam[Drinks]"], entry_points="")))
    cup = read_wheel(str(make_wheel(tmp_path, "cup", "1.0", entry_points="")))

    assert [need.name for need in unmet_needs([spam, cup], interpreter)] == ["eggs", "toast", "spam-two", "cup"]
    assert [need.name for need in unmet_needs([spam, two], interpreter)] == ["eggs", "toast", "tea", "cup"]
    assert list(unmet_needs([cup], interpreter)) == []


def resolve(
    text: str, interpreter: Interpreter, store: Store, links: Path, network: Network = "never"
) -> list[tuple[str, str]]:
    """Return names and versions of a seed and of its dependencies."""
    chosen = choose(text, interpreter, store, links, network=network)
    wanted = Wanted((text,), (str(links),), network)
    return [(one.name, one.version) for one in with_dependencies([chosen], interpreter, wanted, store)]


def test_dependencies_are_found_among_local_wheels(tmp_path: Path, store: Store, interpreter: Interpreter) -> None:
    make_wheel(tmp_path, "spam", requires=["eggs>=1,<3", "ham"])
    make_wheel(Path(store.writable_directory("wheels")), "ham", requires=["eggs!=2.5"])
    for version in ("0.5", "2.0", "3.0"):
        make_wheel(tmp_path, "eggs", version)

    assert resolve("spam", interpreter, store, tmp_path) == [("spam", "1.0"), ("eggs", "2.0"), ("ham", "1.0")]


@pytest.mark.parametrize("conflict", [False, True])
def test_a_missing_dependency_is_an_error_that_names_it(
    conflict: bool, tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    make_wheel(tmp_path, "spam", requires=["eggs>=2", "ham"])
    make_wheel(tmp_path, "ham", requires=["eggs<2"])
    if conflict:
        make_wheel(tmp_path, "eggs", "2.0")

    with pytest.raises(SeedError) as raised:
        resolve("spam", interpreter, store, tmp_path)

    assert (
        "dependencies of the seeds are missing, and `--no-download` prevents downloads: `eggs" in raised.value.message
    )
    assert "(required by " in raised.value.message
    assert "`--no-deps`" in str(raised.value.hint)
    assert "`--no-download`" in str(raised.value.hint)


def real_python(store: Store) -> Interpreter:
    """Use the Python that runs the tests, with its pip, for the target and for downloads."""
    sys.path = [*SYS_PATH]  # the fixture of the store restores it
    store.host = replace(
        store.host,
        executable=sys.executable,
        environ={**store.host.environ, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull},
    )
    return find()


def test_pip_resolves_what_no_local_wheel_satisfies(tmp_path: Path, store: Store) -> None:
    """The greedy search takes eggs 2.0; only pip finds out that ham needs an older one."""
    interpreter = real_python(store)
    make_wheel(tmp_path, "spam", requires=["eggs>=1", "ham"])
    make_wheel(tmp_path, "ham", requires=["eggs<2", "never; python_version < '3'"])
    for version in ("1.5", "2.0"):
        make_wheel(tmp_path, "eggs", version)

    found = resolve("spam", interpreter, store, tmp_path, "last-resort")

    assert sorted(found) == [("eggs", "1.5"), ("ham", "1.0"), ("spam", "1.0")]
    names = {name.partition("-")[0] for name in os.listdir(store.writable_directory("wheels"))}
    assert names == {"spam", "eggs", "ham"}


def test_what_pip_cannot_resolve_is_an_error_with_its_reason(tmp_path: Path, store: Store) -> None:
    interpreter = real_python(store)
    make_wheel(tmp_path, "spam", requires=["eggs>=7"])
    make_wheel(tmp_path, "eggs", "2.0")

    with pytest.raises(SeedError, match=r"pip could not download `spam==1\.0`: .*eggs>=7"):
        resolve("spam", interpreter, store, tmp_path, "last-resort")
    assert os.listdir(store.writable_directory("wheels")) == []


# Compatibility


@pytest.mark.parametrize(
    ("kind", "changes", "tag"),
    [
        ("cpython-3.12-linux", {}, "cp312"),
        ("cpython-3.13t-linux", {}, "cp313t"),
        ("cpython-3.12-windows", {}, "cp312"),
        ("cpython-3.12-linux", {"soabi": "cpython-36m-x86_64-linux-gnu"}, "cp36m"),
        ("cpython-3.12-linux", {"soabi": "", "version": (3, 11, 0, "final", 0), "debug": True}, "cp311d"),
        ("pypy-3.10-linux", {}, "pypy310_pp73"),
    ],
)
def test_the_abi_tag_matches_the_names_of_extension_modules(kind: str, changes: dict[str, object], tag: str) -> None:
    assert abi_tag(fake_interpreter(kind, **changes)) == tag


@pytest.mark.parametrize(
    ("kind", "changes", "tags"),
    [
        ("cpython-3.12-linux", {"soabi": "cpython-312d-x86_64-linux-gnu", "debug": True}, ["cp312d", "cp312"]),
        ("cpython-3.13t-linux", {"soabi": "cpython-313td-x86_64-linux-gnu", "debug": True}, ["cp313td", "cp313t"]),
        ("cpython-3.12-windows", {"soabi": "", "debug": True}, ["cp312d"]),
        ("cpython-3.12-linux", {}, ["cp312"]),
    ],
)
def test_a_debug_build_loads_the_modules_of_other_builds(
    kind: str, changes: dict[str, object], tags: list[str]
) -> None:
    interpreter = fake_interpreter(kind, **changes)
    assert abi_tags(interpreter) == tags
    if interpreter.soabi:
        extensions = [f"spam/fast.cpython-{tag[2:]}-x86_64-linux-gnu.so" for tag in tags]
        assert not any(is_for_other_abi(path, interpreter) for path in extensions)
        assert is_for_other_abi("spam/fast.cpython-311-x86_64-linux-gnu.so", interpreter)


@pytest.mark.parametrize(
    ("tags", "compatible"),
    [
        (["py3-none-any"], True),
        (["py2-none-any", "py3-none-any"], True),
        (["py2.py3-none-any"], True),
        (["py312-none-any"], True),
        (["py313-none-any"], False),
        (["cp312-none-any"], True),
        (["cp311-none-any"], False),
        (["cp313-none-any"], False),
        (["py2-none-any"], False),
        (["pp310-none-any"], False),
        (["cp312-cp312-win_amd64"], False),
        (["nonsense"], False),
        ([], False),
    ],
)
def test_a_pure_wheel_is_compatible_by_its_python_version(tags: list[str], compatible: bool) -> None:
    assert (tag_incompatibility(tags, fake_interpreter()) is None) is compatible


@pytest.mark.skipif(sys.platform != "linux", reason="tests the tags of Linux")
def test_a_platform_wheel_is_compatible_only_with_an_interpreter_of_this_platform() -> None:
    import platform

    ours = fake_interpreter(machine=platform.machine(), bits=64)
    tag = f"linux_{platform.machine()}"

    assert tag_incompatibility([f"cp312-cp312-{tag}"], ours) is None
    assert tag_incompatibility([f"cp37-abi3-{tag}"], ours) is None
    assert tag_incompatibility([f"cp311-cp311-{tag}"], ours) is not None
    assert tag_incompatibility([f"cp312-cp312t-{tag}"], ours) is not None
    assert tag_incompatibility([f"cp312-cp312-{tag}"], replace(ours, machine="riscv64")) is not None
    free_threaded = fake_interpreter("cpython-3.13t-linux", machine=platform.machine())
    assert tag_incompatibility([f"cp313-cp313t-{tag}"], free_threaded) is None
    assert tag_incompatibility([f"cp313-cp313-{tag}"], free_threaded) is not None
    assert tag_incompatibility([f"cp37-abi3-{tag}"], free_threaded) is not None


@pytest.mark.parametrize(
    ("requires", "compatible"),
    [
        ("", True),
        (">=3.9", True),
        (">=3.9, <4", True),
        (">=3.9,!=3.12.1", False),
        ("~=3.12.0", True),
        (">=3.13", False),
        ("!=3.12.*", False),
        ("nonsense", True),
    ],
)
def test_requires_python_decides_on_compatibility(requires: str, compatible: bool, tmp_path: Path) -> None:
    distribution = read_wheel(str(make_wheel(tmp_path, requires_python=requires)))

    assert (incompatibility(distribution, fake_interpreter()) is None) is compatible


def test_a_release_candidate_satisfies_the_bounds_of_its_release() -> None:
    interpreter = fake_interpreter(version=(3, 15, 0, "candidate", 1))
    from cloche.store.tags import satisfies_requires_python

    assert satisfies_requires_python(">=3.9", interpreter)
    assert not satisfies_requires_python("<3.15.dev0", interpreter)


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["pip", "pip"], ["pip"]),
        (["pip", "PIP"], ["pip"]),
        (["pip", "setuptools", "pip==24.0"], ["pip==24.0", "setuptools"]),
        (["pip==24.0", "pip"], ["pip==24.0"]),
        (["pip==24.0", "pip == 24.0.0"], ["pip==24.0"]),
        (["ruamel.yaml", "Ruamel_Yaml==1.0"], ["ruamel-yaml==1.0"]),
    ],
)
def test_requirements_for_the_same_distribution_are_merged(texts: list[str], wanted: list[str]) -> None:
    assert [str(requirement) for requirement in parse_requirements(texts)] == wanted


def test_two_versions_of_a_distribution_are_refused() -> None:
    with pytest.raises(UsageError, match=r"`pip==24.0` and `pip==25.0` contradict each other"):
        parse_requirements(["pip==24.0", "setuptools", "PIP==25.0"])
