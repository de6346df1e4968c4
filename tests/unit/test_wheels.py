"""Where a seed comes from: the sources in their order, what fits an interpreter, and what is said when nothing does."""

from __future__ import annotations

import importlib
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloche.errors import SeedError, UsageError
from cloche.model.request import Wanted
from cloche.model.value import replace
from cloche.store import Store
from cloche.store.requirements import Requirement, parse, parse_all
from cloche.store.tags import abi, misfit, tag_misfit
from cloche.store.wheels import choose, unmet
from cloche.testing.fakes import fake_interpreter
from tests.distributions import host_at, install, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloche.model.interpreter import Interpreter
    from cloche.model.request import Network
    from cloche.store.distributions import Distribution


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store on a machine where no pip is installed beside cloche."""
    for name in ("packaging.specifiers", "packaging.tags"):  # they lie where that pip does
        importlib.import_module(name)
    bare = [one for one in sys.path if os.path.isdir(one) and not list(Path(one).glob("pip-*"))]
    monkeypatch.setattr(sys, "path", bare)
    return Store.open(replace(host_at(tmp_path / "home"), executable=str(tmp_path / "no-python")))


@pytest.fixture
def interpreter(tmp_path: Path) -> Interpreter:
    """A CPython 3.12 whose ensurepip has nothing."""
    return fake_interpreter(stdlib=str(tmp_path / "stdlib"))


def chosen(
    wanted: str, interpreter: Interpreter, store: Store, *find_links: Path, network: Network = "never"
) -> Distribution:
    requirement = parse(wanted)
    return choose(requirement, interpreter, Wanted((wanted,), tuple(map(str, find_links)), network), store)


def refusal(
    wanted: str, interpreter: Interpreter, store: Store, *find_links: Path, network: Network = "never"
) -> SeedError:
    with pytest.raises(SeedError) as raised:
        chosen(wanted, interpreter, store, *find_links, network=network)
    assert raised.value.exit_code == 5
    assert raised.value.hint
    return raised.value


# What can be asked for


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("pip", "pip", ""),
        ("pip==24.0", "pip", "24.0"),
        (" Foo_Bar.baz == 1.0.post1 ", "foo-bar-baz", "1.0.post1"),
        ("spam==2!1.0rc1+local.1", "spam", "2!1.0rc1+local.1"),
    ],
)
def test_a_seed_is_a_name_and_perhaps_a_version(text: str, name: str, version: str) -> None:
    assert parse(text) == Requirement(name, version)


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
def test_anything_else_is_refused_and_never_reaches_pip(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)


# Which of several


def test_the_newest_that_fits_is_chosen(tmp_path: Path, store: Store, interpreter: Interpreter) -> None:
    links = tmp_path / "links"
    make_wheel(links, version="1.9")
    make_wheel(links, version="1.10")
    make_wheel(links, version="2.0", requires_python=">=3.13")
    make_wheel(links, version="3.0", tags=["cp39-cp39-win32"])
    make_wheel(links, version="4.0rc1")

    assert chosen("spam", interpreter, store, links).version == "1.10"
    assert chosen("spam", replace(interpreter, version=(3, 13, 0, "final", 0)), store, links).version == "2.0"


def test_a_prerelease_is_taken_if_there_is_nothing_else(tmp_path: Path, store: Store, interpreter: Interpreter) -> None:
    make_wheel(tmp_path / "links", version="4.0rc1")
    make_wheel(tmp_path / "links", version="4.0rc2")

    assert chosen("spam", interpreter, store, tmp_path / "links").version == "4.0rc2"


@pytest.mark.parametrize(
    ("wanted", "version"), [("spam==1.9", "1.9"), ("spam==1.9.0", "1.9"), ("spam==2.0", "2.0+ours")]
)
def test_a_version_that_is_named_is_the_only_one(
    wanted: str, version: str, tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    for one in ("1.9", "1.10", "2.0+ours"):
        make_wheel(tmp_path / "links", version=one)

    assert chosen(wanted, interpreter, store, tmp_path / "links").version == version


def test_directories_that_are_named_outrank_a_newer_wheel_elsewhere(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    make_wheel(tmp_path / "links", version="1.0")
    make_wheel(Path(store.writable_directory("wheels")), version="2.0")
    make_wheel(Path(interpreter.stdlib) / "ensurepip" / "_bundled", version="3.0")

    assert chosen("spam", interpreter, store, tmp_path / "links").version == "1.0"
    assert chosen("spam", interpreter, store).version == "3.0"
    assert chosen("spam==3.0", interpreter, store, tmp_path / "links").version == "3.0"


def test_a_directory_without_the_wheel_or_that_is_not_there_is_passed_over(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    make_wheel(tmp_path / "links", name="eggs")
    make_wheel(Path(store.writable_directory("wheels")))

    assert chosen("spam", interpreter, store, tmp_path / "links", tmp_path / "missing").version == "1.0"


def not_an_archive(place: Path) -> None:
    (place / "spam-4.0-py3-none-any.whl").write_bytes(b"not a zip archive")


def a_directory(place: Path) -> None:
    (place / "spam-4.0-py3-none-any.whl").mkdir()


def without_metadata(place: Path) -> None:
    make_wheel(place, version="4.0", METADATA="")


UNREADABLE = [not_an_archive, a_directory, without_metadata]


@pytest.mark.parametrize("damage", UNREADABLE)
def test_a_wheel_that_was_named_and_cannot_be_read_is_an_error_lest_another_source_have_other_spam(
    damage: Callable[[Path], None], tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    links = tmp_path / "links"
    make_wheel(links, version="1.0")
    make_wheel(Path(store.writable_directory("wheels")), version="5.0")
    damage(links)

    raised = refusal("spam", interpreter, store, links)
    assert "spam-4.0-py3-none-any.whl` is not used: " in raised.message
    assert chosen("spam==1.0", interpreter, store, links).version == "1.0"


@pytest.mark.parametrize("damage", UNREADABLE)
def test_a_wheel_of_the_cache_that_cannot_be_read_is_passed_over(
    damage: Callable[[Path], None], tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    room = Path(store.writable_directory("wheels"))
    make_wheel(room, version="1.0")
    damage(room)

    assert chosen("spam", interpreter, store, tmp_path / "links").version == "1.0"


def test_a_link_in_the_cache_is_no_wheel_of_it(tmp_path: Path, store: Store, interpreter: Interpreter) -> None:
    room = Path(store.writable_directory("wheels"))
    make_wheel(room, version="1.0")
    (room / "spam-5.0-py3-none-any.whl").symlink_to(make_wheel(tmp_path / "elsewhere", version="5.0"))

    assert chosen("spam", interpreter, store).version == "1.0"


def test_a_file_whose_name_is_not_that_of_a_wheel_is_passed_over(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    links = tmp_path / "links"
    make_wheel(links, version="1.0")
    for name in ("spam.whl", "spam-9.0.whl", "spam-9.0-1-2-py3-none-any.whl"):
        (links / name).write_bytes(b"")

    assert chosen("spam", interpreter, store, links).version == "1.0"


def test_a_wheel_with_the_name_of_another_is_passed_over_with_its_reason(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    links = tmp_path / "links"
    make_wheel(links, version="1.0")
    make_wheel(links, version="5.0", name="eggs").rename(links / "spam-5.0-py3-none-any.whl")

    assert chosen("spam", interpreter, store, links).version == "1.0"
    assert "is not `spam`" in refusal("spam==5.0", interpreter, store, links).message


# The pip beside cloche


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store) -> Path:
    """A site-packages directory of the Python that runs cloche, with a pip in it."""
    del store  # it empties the path first
    wheel = make_wheel(
        tmp_path / "made", "pip", "26.0", {"pip/__init__.py": "", "pip/_vendor/__init__.py": "DEBUNDLED = False\n"}
    )
    place = tmp_path / "site-packages"
    install(wheel, place)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path / "python.zip"), str(place), *sys.path])
    return place


def test_the_pip_beside_cloche_is_used(site: Path, store: Store, interpreter: Interpreter) -> None:
    distribution = chosen("pip", interpreter, store)

    assert (distribution.version, distribution.kind, distribution.location) == ("26.0", "installed", str(site))
    names = {file.path for file in distribution.files}
    assert "pip/__init__.py" in names
    assert "pip-26.0.dist-info/METADATA" in names
    assert not any("bin/" in name or name.endswith(("INSTALLER", "RECORD")) for name in names)


@pytest.mark.usefixtures("site")
def test_what_is_installed_has_the_same_name_for_its_content_as_its_wheel(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    beside = chosen("pip", interpreter, store)
    wheel = chosen("pip", interpreter, store, tmp_path / "made")

    assert (wheel.kind, beside.kind) == ("wheel", "installed")
    assert wheel.digest == beside.digest


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize(
    ("in_store", "expected"),
    [("25.0", "26.0"), ("27.0", "27.0"), ("25.9.1", "26.0"), ("26.0.1", "26.0.1"), ("26.0.0", "26.0")],
)
def test_the_newest_of_what_is_at_hand_is_used(
    in_store: str, expected: str, store: Store, interpreter: Interpreter
) -> None:
    make_wheel(Path(store.writable_directory("wheels")), "pip", in_store)

    assert chosen("pip", interpreter, store).version == expected


def test_only_pip_is_taken_from_beside_cloche(
    tmp_path: Path, site: Path, store: Store, interpreter: Interpreter
) -> None:
    install(make_wheel(tmp_path / "made"), site)

    assert "nothing" in refusal("spam", interpreter, store).message


def test_a_pip_that_a_distributor_has_taken_apart_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store, interpreter: Interpreter
) -> None:
    files = {"pip/__init__.py": "", "pip/_vendor/__init__.py": "x = 1\nDEBUNDLED = True\n"}
    install(make_wheel(tmp_path / "made", "pip", "26.0", files), tmp_path / "site")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])

    assert "without the libraries it needs" in refusal("pip", interpreter, store).message


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda info: (info / "RECORD").unlink(), "`pip-26.0.dist-info/RECORD` is missing"),
        (lambda info: (info / "RECORD").write_text("a,b\n"), "its RECORD is not one"),
        (lambda info: (info / "RECORD").write_text(2 * (info / "RECORD").read_text()), "its RECORD lists a file twice"),
        (lambda info: (info / "RECORD").write_text("pip/__init__.py,,\n"), "RECORD has no hash of `pip/__init__.py`"),
        (lambda info: (info / "RECORD").write_text("../../../share/x,sha256=a,1\n"), "outside site-packages"),
        (lambda info: (info / "METADATA").unlink(), "METADATA` is missing"),
        (lambda info: (info / "WHEEL").write_bytes(b"\xff\xfe"), "WHEEL` cannot be read"),
    ],
)
def test_an_installed_pip_whose_record_does_not_tell_what_it_is_is_passed_over(
    damage: object, reason: str, site: Path, store: Store, interpreter: Interpreter
) -> None:
    damage(site / "pip-26.0.dist-info")  # type: ignore[operator]
    make_wheel(Path(interpreter.stdlib) / "ensurepip" / "_bundled", "pip", "20.0")

    assert chosen("pip", interpreter, store).version == "20.0"
    assert reason in refusal("pip==26.0", interpreter, store).message


def test_a_pipe_in_the_place_of_an_installed_file_holds_nobody_up(
    site: Path, store: Store, interpreter: Interpreter
) -> None:
    distribution = chosen("pip", interpreter, store)
    (site / "pip" / "__init__.py").unlink()
    os.mkfifo(site / "pip" / "__init__.py")

    with pytest.raises(SeedError, match=r"`pip/__init__\.py` cannot be read"):
        list(distribution.contents())


@pytest.mark.usefixtures("site")
def test_a_pip_in_the_current_directory_is_not_beside_cloche(
    tmp_path: Path, store: Store, interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "project"
    files = {"pip/__init__.py": "planted", "pip/_vendor/__init__.py": "DEBUNDLED = False\n"}
    planted = make_wheel(tmp_path / "planted", "pip", "99.0", files)
    install(planted, here)
    install(planted, here / "lib")
    monkeypatch.setattr(sys, "path", [str(here), ".", "lib", *sys.path])
    monkeypatch.chdir(here)
    store.host = replace(store.host, cwd=str(here))

    assert chosen("pip", interpreter, store).version == "26.0"


# The target's own ensurepip


@pytest.mark.parametrize("quote", ["'", '"'])
def test_wheels_of_ensurepip_are_found_where_the_distributor_keeps_them(
    quote: str, tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    make_wheel(tmp_path / "python-wheels", "pip", "23.0")
    stdlib = Path(interpreter.stdlib)
    stdlib.mkdir()
    (stdlib / "_sysconfigdata__linux_x86_64-linux-gnu.py").write_text(
        f"build_time_vars = {{\n {quote}WHEEL_PKG_DIR{quote}: {quote}{tmp_path}/python-wheels/{quote},\n}}\n"
    )

    assert chosen("pip", interpreter, store).version == "23.0"


def test_an_old_python_gets_the_pip_that_runs_there(site: Path, store: Store, interpreter: Interpreter) -> None:
    metadata = (site / "pip-26.0.dist-info" / "METADATA").read_text()
    (site / "pip-26.0.dist-info" / "METADATA").write_text(metadata + "Requires-Python: >=3.9\n")
    make_wheel(
        Path(interpreter.stdlib) / "ensurepip" / "_bundled", "pip", "18.1", tags=["py2-none-any", "py3-none-any"]
    )
    old = replace(interpreter, version=(3, 6, 15, "final", 0))

    assert chosen("pip", old, store).version == "18.1"
    assert "pip 26.0 needs Python >=3.9" in refusal("pip==26.0", old, store).message


# The index


def fake_pip(tmp_path: Path, store: Store, script: str) -> Path:
    """Make the Python that runs cloche a shell script, and return the directory in which it tells what it saw."""
    seen = tmp_path / "seen"
    seen.mkdir()
    program = tmp_path / "python"
    program.write_text(
        "#!/bin/sh\n"
        f"printf '%s\\n' \"$@\" > {seen}/arguments\nenv > {seen}/environ\npwd > {seen}/cwd\nls -a > {seen}/listing\n"
        'while [ "$1" != --dest ]; do shift; done\n'
        f"dest=$2\n{script}\n"
    )
    program.chmod(0o755)
    store.host = replace(store.host, executable=str(program))
    return seen


needs_sh = pytest.mark.skipif(os.name == "nt", reason="the stand-in for pip is a shell script")


@needs_sh
def test_the_index_is_the_last_resort_and_what_it_gives_is_kept(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    wheel = make_wheel(tmp_path / "index")
    seen = fake_pip(tmp_path, store, f"cp {wheel} $dest/")
    told: list[str] = []
    store.progress = told.append
    store.host = replace(
        store.host,
        environ={**store.host.environ, "PIP_INDEX_URL": "https://example.org", "PIP_REQUIRE_VIRTUALENV": "1"},
    )

    distribution = chosen("spam==1.0", interpreter, store, network="last-resort")

    assert distribution.location == os.path.join(store.writable_directory("wheels"), wheel.name)
    assert os.listdir(store.writable_directory("wheels")) == [wheel.name]
    assert told == ["downloading spam==1.0 for CPython 3.12.1"]
    arguments = (seen / "arguments").read_text().split("\n")[:-1]
    assert arguments[:3] == ["-m", "pip", "download"]
    assert arguments[-2:] == ["--", "spam==1.0"]
    assert {"--only-binary", ":all:", "--no-deps"} <= set(arguments)
    assert arguments[arguments.index("--python-version") + 1] == "3.12.1"
    assert "cp312" in arguments
    assert "PIP_INDEX_URL=https://example.org" in (seen / "environ").read_text()
    assert "PIP_REQUIRE_VIRTUALENV=0" in (seen / "environ").read_text()
    assert (seen / "listing").read_text().split() == [".", ".."], "pip must not find modules where it is started"
    assert chosen("spam", interpreter, store).location == distribution.location, "the next time it is at hand"


@needs_sh
@pytest.mark.parametrize("network", ["last-resort", "never"])
def test_nothing_is_downloaded_where_something_is_at_hand(
    network: Network, tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    seen = fake_pip(tmp_path, store, "exit 1")
    make_wheel(Path(store.writable_directory("wheels")))

    assert chosen("spam", interpreter, store, network=network).version == "1.0"
    assert list(seen.iterdir()) == []


@needs_sh
def test_the_index_comes_first_if_the_newest_is_wanted(tmp_path: Path, store: Store, interpreter: Interpreter) -> None:
    make_wheel(Path(store.writable_directory("wheels")), version="1.0")
    fake_pip(tmp_path, store, f"cp {make_wheel(tmp_path / 'index', version='2.0')} $dest/")

    assert chosen("spam", interpreter, store, network="newest").version == "2.0"


@needs_sh
def test_without_an_index_the_newest_at_hand_does_and_that_is_said(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    make_wheel(Path(store.writable_directory("wheels")), version="1.0")
    fake_pip(tmp_path, store, "echo 'WARNING: slow'; echo 'ERROR: no route to host'; exit 1")

    assert chosen("spam", interpreter, store, network="newest").version == "1.0"
    [warning] = store.warnings
    assert warning == "took what was at hand for `spam`, because pip was to download `spam` and said: no route to host"


@needs_sh
@pytest.mark.parametrize("script", ["exit 0", "kill -9 $$", "touch $dest/a.whl $dest/b.whl", "touch $dest/a.tar.gz"])
def test_a_download_that_brings_nothing_leaves_nothing(
    script: str, tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    fake_pip(tmp_path, store, script)

    assert "pip was to download `spam`" in refusal("spam", interpreter, store, network="last-resort").message
    assert os.listdir(store.writable_directory("wheels")) == []


def test_a_python_that_is_gone_is_told_as_such(store: Store, interpreter: Interpreter) -> None:
    message = refusal("spam", interpreter, store, network="last-resort").message
    assert "cannot be run (no such file or directory)" in message


def test_what_was_tried_is_told_source_by_source(tmp_path: Path, store: Store, interpreter: Interpreter) -> None:
    make_wheel(tmp_path / "links", version="1.0", requires_python=">=3.13")
    make_wheel(Path(store.writable_directory("wheels")), version="2.0", tags=["cp39-cp39-win_amd64"])

    error = refusal("spam", interpreter, store, tmp_path / "links")

    assert error.message == (
        "no `spam` for CPython 3.12.1: `--find-links`: spam 1.0 needs Python >=3.13; "
        "its own ensurepip: nothing; the cache: spam 2.0 is for cp39-cp39-win_amd64"
    )
    assert "--download" in str(error.hint)


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="permissions are those of POSIX")
def test_a_directory_that_was_named_and_cannot_be_listed_is_an_error(
    tmp_path: Path, store: Store, interpreter: Interpreter
) -> None:
    (tmp_path / "links").write_text("a file")
    make_wheel(Path(store.writable_directory("wheels")))

    raised = refusal("spam", interpreter, store, tmp_path / "links")
    assert raised.message == f"`{tmp_path / 'links'}` cannot be read (not a directory)"
    assert stat.S_ISREG((tmp_path / "links").stat().st_mode)


def test_what_a_seed_needs_and_does_not_get_is_told(tmp_path: Path, interpreter: Interpreter) -> None:
    from cloche.store.distributions import read_wheel

    needs = [
        "eggs>=1",
        "bacon; python_version < '3.8'",
        "toast; sys_platform == 'linux'",
        "tea; extra == 'drinks'",
        "Spam_Two",
        "? what",
    ]
    spam = read_wheel(str(make_wheel(tmp_path, requires=needs)))
    two = read_wheel(str(make_wheel(tmp_path, "spam.two", entry_points="")))

    assert unmet([spam, two], interpreter) == [
        "spam 1.0 needs `eggs`, which is not seeded",
        "spam 1.0 needs `toast`, which is not seeded",
    ]
    assert unmet([two], interpreter) == []


# What fits


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
def test_the_abi_is_the_one_that_extension_modules_are_named_by(
    kind: str, changes: dict[str, object], tag: str
) -> None:
    assert abi(fake_interpreter(kind, **changes)) == tag


@pytest.mark.parametrize(
    ("tags", "fits"),
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
def test_pure_wheels_fit_by_python_version(tags: list[str], fits: bool) -> None:
    assert (tag_misfit(tags, fake_interpreter()) is None) is fits


@pytest.mark.skipif(sys.platform != "linux", reason="the tags are those of Linux")
def test_wheels_of_a_platform_fit_an_interpreter_of_this_platform_only() -> None:
    import platform

    ours = fake_interpreter(machine=platform.machine(), bits=64)
    tag = f"linux_{platform.machine()}"

    assert tag_misfit([f"cp312-cp312-{tag}"], ours) is None
    assert tag_misfit([f"cp37-abi3-{tag}"], ours) is None
    assert tag_misfit([f"cp311-cp311-{tag}"], ours) is not None
    assert tag_misfit([f"cp312-cp312t-{tag}"], ours) is not None
    assert tag_misfit([f"cp312-cp312-{tag}"], replace(ours, machine="riscv64")) is not None
    free_threaded = fake_interpreter("cpython-3.13t-linux", machine=platform.machine())
    assert tag_misfit([f"cp313-cp313t-{tag}"], free_threaded) is None
    assert tag_misfit([f"cp313-cp313-{tag}"], free_threaded) is not None
    assert tag_misfit([f"cp37-abi3-{tag}"], free_threaded) is not None


@pytest.mark.parametrize(
    ("requires", "fits"),
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
def test_requires_python_decides(requires: str, fits: bool, tmp_path: Path) -> None:
    from cloche.store.distributions import read_wheel

    distribution = read_wheel(str(make_wheel(tmp_path, requires_python=requires)))

    assert (misfit(distribution, fake_interpreter()) is None) is fits


def test_a_release_candidate_satisfies_what_its_release_will() -> None:
    interpreter = fake_interpreter(version=(3, 15, 0, "candidate", 1))
    from cloche.store.tags import allows

    assert allows(">=3.9", interpreter)
    assert not allows("<3.15.dev0", interpreter)


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
def test_a_distribution_that_is_asked_for_twice_is_wanted_once(texts: list[str], wanted: list[str]) -> None:
    assert [str(one) for one in parse_all(texts)] == wanted


def test_two_versions_of_one_distribution_are_refused() -> None:
    with pytest.raises(UsageError, match=r"`pip==24.0` and `pip==25.0` contradict each other"):
        parse_all(["pip==24.0", "setuptools", "PIP==25.0"])
