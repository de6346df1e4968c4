"""Test which packages a lock file gives an interpreter, and the one line that explains a file that cannot be used."""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import TYPE_CHECKING

import pytest

from cloche.errors import ClocheError
from cloche.model.plan import LockRequest
from cloche.store import Store
from cloche.store.lock_files import locked_packages
from cloche.store.tags import supported_tags
from cloche.testing.fakes import fake_interpreter
from tests.distributions import host_with_home
from tests.locks import BASE, package, pylock, wheel_entry
from tests.unit.interpreters import interpreter as named

if TYPE_CHECKING:
    from pathlib import Path

    from cloche.model.interpreter import Interpreter
    from cloche.store.lock_files.packages import LockedPackage


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(host_with_home(tmp_path / "home"))


def select(
    text: str,
    store: Store,
    tmp_path: Path,
    interpreter: Interpreter | None = None,
    name: str = "pylock.toml",
    **options,
) -> list[LockedPackage]:
    path = tmp_path / name
    path.write_text(text)
    return locked_packages(LockRequest(str(path), **options), interpreter or fake_interpreter(), store)


def names(packages: list[LockedPackage]) -> list[str]:
    return [package.name for package in packages]


def refusal(
    text: str,
    store: Store,
    tmp_path: Path,
    interpreter: Interpreter | None = None,
    name: str = "pylock.toml",
    **options,
) -> ClocheError:
    with pytest.raises(ClocheError) as raised:
        select(text, store, tmp_path, interpreter, name, **options)
    message = raised.value.message.replace(f"{tmp_path}/", "")
    assert "\n" not in message
    return type(raised.value)(message, hint=raised.value.hint)


PURE = "{}-1.0-py3-none-any.whl"

HUGE = "9" * 5000


def simple(name: str, **keys: object) -> dict[str, object]:
    return package(name, wheels=[wheel_entry(PURE.format(name))], **keys)


# Selection


def test_the_best_wheel_of_the_target_is_selected(store: Store, tmp_path: Path) -> None:
    wheels = [
        wheel_entry(f"spam-1.0-{tags}.whl")
        for tags in ("py3-none-any", "cp312-cp312-manylinux_2_17_x86_64", "cp312-cp312-win_amd64", "cp36-abi3-win32")
    ]
    text = pylock([package("spam", wheels=wheels)])

    def chosen(kind: str, **changes: object) -> str:
        [found] = select(text, store, tmp_path, fake_interpreter(kind, **changes))
        assert found.artifact is not None
        return found.artifact.file_name.removeprefix("spam-1.0-").removesuffix(".whl")

    assert chosen("cpython-3.12-linux") == "cp312-cp312-manylinux_2_17_x86_64"
    assert chosen("cpython-3.12-windows") == "cp312-cp312-win_amd64"
    assert chosen("cpython-3.12-windows", bits=32) == "cp36-abi3-win32"
    assert chosen("pypy-3.10-linux") == "py3-none-any"
    assert chosen("cpython-3.12-homebrew") == "py3-none-any"


@pytest.mark.parametrize(
    ("machine", "bits", "tag"),
    [("AMD64", 64, "win_amd64"), ("AMD64", 32, "win32"), ("x86", 32, "win32"), ("ARM64", 64, "win_arm64")],
)
def test_windows_tags_are_known_on_every_system(machine: str, bits: int, tag: str) -> None:
    tags = list(supported_tags(fake_interpreter("cpython-3.12-windows", machine=machine, bits=bits)))

    assert f"cp312-cp312-{tag}" in tags
    assert "py3-none-any" in tags


@pytest.mark.parametrize(
    ("marker", "kind", "applies"),
    [
        ("sys_platform == 'win32'", "cpython-3.12-windows", True),
        ("sys_platform == 'win32'", "cpython-3.12-linux", False),
        ("platform_system == 'Darwin'", "cpython-3.12-homebrew", True),
        ("platform_machine == 'AMD64'", "cpython-3.12-windows", True),
        ("os_name == 'nt'", "cpython-3.12-windows", True),
        ("platform_python_implementation == 'PyPy'", "pypy-3.10-linux", True),
        ("implementation_name == 'cpython'", "pypy-3.10-linux", False),
        ("python_version < '3.11'", "pypy-3.10-linux", True),
        ("python_full_version >= '3.12.1'", "cpython-3.12-linux", True),
    ],
)
def test_markers_are_evaluated_for_the_target(
    marker: str, kind: str, applies: bool, store: Store, tmp_path: Path
) -> None:
    found = select(pylock([simple("spam", marker=marker)]), store, tmp_path, fake_interpreter(kind))

    assert names(found) == ["spam"] * applies


@pytest.mark.parametrize("version", ["CPython 3.6.15", "CPython 3.15.0a1", "CPython 3.14.0rc2", "PyPy 3.9.16"])
def test_old_and_early_pythons_are_supported(version: str, store: Store, tmp_path: Path) -> None:
    text = pylock([simple("spam", requires_python=">=3.6")], requires_python=">=3.6")

    assert names(select(text, store, tmp_path, named(version))) == ["spam"]


GROUPS = pylock(
    [
        simple("always"),
        simple("fast", marker="'speed' in extras"),
        simple("checker", marker="'dev' in dependency_groups"),
        simple("builder", marker="'docs' in dependency_groups"),
    ],
    extras=["speed"],
    dependency_groups=["dev", "docs"],
    default_groups=["dev"],
)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["always", "checker"]),
        ({"extras": ("Speed",)}, ["always", "checker", "fast"]),
        ({"groups": ("docs",)}, ["always", "builder", "checker"]),
        ({"default_groups": "excluded"}, ["always"]),
        ({"groups": ("docs",), "default_groups": "excluded"}, ["always", "builder"]),
    ],
)
def test_extras_and_groups_add_packages(
    options: dict[str, object], expected: list[str], store: Store, tmp_path: Path
) -> None:
    assert names(select(GROUPS, store, tmp_path, **options)) == expected


def test_entries_of_one_package_may_have_disjoint_markers(store: Store, tmp_path: Path) -> None:
    old, new = "python_version < '3.12'", "python_version >= '3.12'"
    entries = [
        package("spam", "1.0", wheels=[wheel_entry("spam-1.0-py3-none-any.whl")], marker=old),
        package("spam", "2.0", wheels=[wheel_entry("spam-2.0-py3-none-any.whl")], marker=new),
    ]

    [found] = select(pylock(entries), store, tmp_path)

    assert found.version == "2.0"


def test_dependency_cycles_do_not_matter(store: Store, tmp_path: Path) -> None:
    entries = [simple("spam", dependencies=[{"name": "eggs"}]), simple("eggs", dependencies=[{"name": "spam"}])]

    assert names(select(pylock(entries), store, tmp_path)) == ["eggs", "spam"]


def test_a_package_without_a_fitting_wheel_has_its_source_distribution(store: Store, tmp_path: Path) -> None:
    sdist = {"name": "spam-1.0.tar.gz", "url": f"{BASE}spam-1.0.tar.gz", "hashes": {"sha256": "0" * 64}}
    wheels = [wheel_entry("spam-1.0-cp311-cp311-win32.whl")]

    [found] = select(pylock([package("spam", wheels=wheels, sdist=sdist)]), store, tmp_path)

    assert found.artifact is not None
    assert found.artifact.file_name == "spam-1.0.tar.gz"


# Where packages come from


def test_the_provenance_of_a_file_from_an_index_is_recorded_without_credentials(store: Store, tmp_path: Path) -> None:
    wheel = wheel_entry("spam-1.0-py3-none-any.whl", url="https://me:secret@files.example/spam-1.0-py3-none-any.whl")
    entry = package("spam", wheels=[wheel], index="https://me:secret@index.example/simple/")

    [found] = select(pylock([entry]), store, tmp_path)

    [(name, text)] = found.metadata
    assert name == "provenance_url.json"
    assert json.loads(text) == {
        "url": f"{BASE}spam-1.0-py3-none-any.whl",
        "archive_info": {"hashes": {"sha256": "0" * 64}},
        "index_url": "https://index.example/simple/",
    }
    assert found.artifact is not None
    assert "secret" in found.artifact.url  # it is needed to download the file


HASHES = {"sha256": "a" * 64}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            {"archive": {"url": f"{BASE}spam-1.0.zip", "hashes": HASHES, "subdirectory": "python"}},
            {"url": f"{BASE}spam-1.0.zip", "archive_info": {"hashes": HASHES}, "subdirectory": "python"},
        ),
        (
            {
                "vcs": {
                    "type": "git",
                    "url": "https://git.example/spam",
                    "commit-id": "b" * 40,
                    "requested-revision": "v1",
                }
            },
            {
                "url": "https://git.example/spam",
                "vcs_info": {"vcs": "git", "commit_id": "b" * 40, "requested_revision": "v1"},
            },
        ),
        (
            {"directory": {"path": "member", "editable": True}},
            {"url": "file://{}/member", "dir_info": {"editable": True}},
        ),
        ({"directory": {"path": "../sibling"}}, {"url": "file://{parent}/sibling", "dir_info": {}}),
    ],
)
def test_a_direct_source_is_recorded(
    source: dict[str, object], expected: dict[str, object], store: Store, tmp_path: Path
) -> None:
    [found] = select(pylock([package("spam", "", **source)]), store, tmp_path)

    [(name, text)] = found.metadata
    assert name == "direct_url.json"
    where = json.dumps(expected).replace("{parent}", str(tmp_path.parent)).replace("{}/", f"{tmp_path}/")
    assert json.loads(text) == json.loads(where)


@pytest.mark.parametrize("key", ["path", "url"])
def test_a_local_wheel_is_found_relative_to_the_lock_file(key: str, store: Store, tmp_path: Path) -> None:
    name = "spam-1.0-py3-none-any.whl"
    place = {"path": f"wheels/{name}"} if key == "path" else {"url": (tmp_path / "wheels" / name).as_uri()}

    [found] = select(pylock([package("spam", wheels=[{**place, "hashes": HASHES}])]), store, tmp_path)

    assert found.artifact is not None
    assert (found.artifact.path, found.artifact.url) == (str(tmp_path / "wheels" / name), "")


# Files that cannot be used


def test_broken_toml_is_reported_with_line_and_column(store: Store, tmp_path: Path) -> None:
    error = refusal('lock-version = "1.0"\ncreated-by = ?\n', store, tmp_path)

    assert (error.exit_code, error.message) == (
        2,
        "`pylock.toml` is not valid TOML: invalid value (at line 2, column 14)",
    )


def test_deep_nesting_is_reported(store: Store, tmp_path: Path) -> None:
    error = refusal(f'lock-version = "1.0"\ncreated-by = {"[" * 10_000}\n', store, tmp_path)

    assert error.exit_code == 2
    assert error.message.startswith("`pylock.toml` is not valid TOML: ")


@pytest.mark.parametrize(
    "text",
    [
        f"created-by = {HUGE}",
        pylock([simple("spam", requires_python=f">={HUGE}")]),
        pylock([simple("spam", marker=f"python_version > '{HUGE}'")]),
        pylock([package("spam", "", wheels=[wheel_entry(f"spam-{HUGE}-py3-none-any.whl")])]),
        f"spam=={HUGE}",
        f"spam==1.0; python_version > '{HUGE}'",
        f"./spam-{HUGE}.tar.gz",
    ],
)
def test_a_number_with_too_many_digits_is_reported(text: str, store: Store, tmp_path: Path) -> None:
    """Python does not convert more than 4300 digits."""
    name = "pylock.toml" if "created-by" in text else "requirements.txt"

    error = refusal(text, store, tmp_path, name=name)

    assert error.exit_code == 2
    assert f"the lock file `{name}` contains a number with more than 1000 digits (line " in error.message


@pytest.mark.parametrize("key", ["name", "path", "url"])
def test_a_file_name_that_is_too_long_is_reported(key: str, store: Store, tmp_path: Path) -> None:
    """Its tags could be combined in millions of ways."""
    tags = "-".join(".".join(f"{kind}{number}" for number in range(300)) for kind in ("py", "abi", "os"))
    name = f"spam-1.0-{tags}.whl"
    wheel = {"hashes": HASHES, **({"name": name, "url": f"{BASE}x"} if key == "name" else {key: f"https://x/{name}"})}

    error = refusal(pylock([package("spam", wheels=[wheel])]), store, tmp_path)
    in_requirements = refusal(f"{BASE}{name}", store, tmp_path, name="requirements.txt")

    assert "a name in it has more than 255 characters" in error.message
    assert "the name of its file has more than 255 characters" in in_requirements.message


def test_the_query_of_a_url_may_be_long(store: Store, tmp_path: Path) -> None:
    """As in the URLs that a file store signs."""
    wheel = wheel_entry(PURE.format("spam"), url=f"{BASE}{PURE.format('spam')}?signature={'a' * 1000}")

    assert names(select(pylock([package("spam", wheels=[wheel])]), store, tmp_path)) == ["spam"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'created-by = "x"\npackages = []\n',
            "`pylock.toml` is not a valid lock file: missing required value in `lock-version`",
        ),
        (
            pylock([{"name": "Spam_1"}]),
            "`pylock.toml` is not a valid lock file: name `Spam_1` is not normalized in `packages[0].name`",
        ),
        (
            pylock([simple("spam", marker="python_version is new")]),
            "`pylock.toml` is not a valid lock file: expected marker operator",
        ),
        (
            pylock([package("spam", wheels=[wheel_entry("../../spam-1.0-py3-none-any.whl")])]),
            "`pylock.toml` is not a valid lock file: invalid wheel filename `../../spam-1.0-py3-none-any.whl` in",
        ),
        (
            pylock([package("spam", wheels=[{**wheel_entry(PURE.format("spam")), "hashes": {}}])]),
            "`pylock.toml` is not a valid lock file: at least one hash must be provided",
        ),
        (
            pylock([], lock_version="2.0"),
            "`pylock.toml` cannot be used: pylock version 2.0 is not supported; cloche reads",
        ),
        (
            pylock([simple("spam"), simple("spam")]),
            "`pylock.toml` has two entries for `spam` that both apply: `packages[0]`",
        ),
        (
            pylock(
                [
                    package(
                        "spam",
                        wheels=[{"url": "file://host/spam-1.0-py3-none-any.whl", "hashes": HASHES}],
                    )
                ]
            ),
            "`pylock.toml` names a file on another machine: `file://host/spam-1.0-py3-none-any.whl`",
        ),
        (
            pylock([simple("spam", marker="python_version ~= 'x'")]),
            'the marker `python_version ~= "x"` of `spam` in `pylock.toml` cannot be evaluated',
        ),
        (
            pylock([package("spam", wheels=[wheel_entry(PURE.format("spam"), url="https://me:secret@a]b/x")])]),
            "`pylock.toml` is not a valid lock file: `https://a]b/x` is not a valid URL",
        ),
        (
            pylock([simple("spam", index="http://ex\u2100mple.org/")]),
            "`pylock.toml` is not a valid lock file: `http://ex\u2100mple.org/` is not a valid URL",
        ),
        (
            pylock([package("spam", vcs={"type": "git", "url": "https://[", "commit-id": "a" * 40})]),
            "`pylock.toml` is not a valid lock file: `https://[` is not a valid URL",
        ),
        (
            pylock([package("spam", directory={"path": "a\0b"})]).replace("\0", "\\u0000"),
            "`a\0b` is not a valid path in a lock file",
        ),
    ],
    ids=[
        *("version", "name", "marker", "file-name", "hash", "newer", "twice", "host", "comparison"),
        *("url of a file", "url of an index", "url of a repository", "path"),
    ],
)
def test_an_invalid_lock_file_is_refused(text: str, message: str, store: Store, tmp_path: Path) -> None:
    error = refusal(text, store, tmp_path)

    assert error.exit_code == 2
    assert error.message.startswith(message)


def test_a_newer_minor_version_is_read_with_a_warning(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = select(pylock([simple("spam")], lock_version="1.1"), store, tmp_path)

    assert names(found) == ["spam"]
    assert [warning.replace(f"{tmp_path}/", "") for warning in store.warnings] == [
        "`pylock.toml` has version 1.1; cloche reads version 1.0 and ignores what is new in it"
    ]
    assert caplog.records == []


def test_the_files_of_a_package_without_a_usable_one_are_listed(store: Store, tmp_path: Path) -> None:
    wheels = [
        wheel_entry(f"spam-1.0-{tags}.whl") for tags in ("cp311-cp311-manylinux_2_17_x86_64", "cp312-cp312-win32")
    ]

    error = refusal(pylock([simple("eggs"), package("spam", wheels=wheels)]), store, tmp_path)

    assert error.exit_code == 5
    assert error.message == (
        "no file of `spam` 1.0 in `pylock.toml` fits CPython 3.12.1 on linux (x86_64): "
        "`spam-1.0-cp311-cp311-manylinux_2_17_x86_64.whl` is for cp311-cp311; `spam-1.0-cp312-cp312-win32.whl` is for win32"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (pylock([], requires_python=">=3.13"), "`pylock.toml` needs Python >=3.13, got CPython 3.12.1"),
        (
            pylock([simple("spam", requires_python="<3.12")]),
            "`spam` 1.0 in `pylock.toml` needs Python <3.12, got CPython 3.12.1",
        ),
        (
            pylock([], environments=["sys_platform == 'win32'", "sys_platform == 'darwin'"]),
            """`pylock.toml` is locked for environments other than CPython 3.12.1 on linux (x86_64): \
`sys_platform == "win32"`; `sys_platform == "darwin"`""",
        ),
    ],
)
def test_a_lock_for_other_pythons_is_refused(text: str, message: str, store: Store, tmp_path: Path) -> None:
    error = refusal(text, store, tmp_path)

    assert (error.exit_code, error.message) == (5, message)
    assert error.hint == "choose another Python with `-p`, or lock the project for this one"


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"extras": ("sped",)}, "`pylock.toml` has no extra `sped`", "available: `speed`"),
        ({"groups": ("test",)}, "`pylock.toml` has no dependency group `test`", "available: `dev`, `docs`"),
    ],
)
def test_an_undeclared_extra_or_group_is_refused(
    options: dict[str, object], message: str, hint: str, store: Store, tmp_path: Path
) -> None:
    error = refusal(GROUPS, store, tmp_path, **options)

    assert (error.exit_code, error.message, error.hint) == (2, message, hint)


def test_a_marker_that_depends_on_an_unknown_value_is_refused(store: Store, tmp_path: Path) -> None:
    text = pylock([simple("spam", marker="platform_release >= '10'")])

    error = refusal(text, store, tmp_path, fake_interpreter("cpython-3.12-windows"))

    assert error.exit_code == 2
    assert error.message == (
        "the marker of `spam` in `pylock.toml` cannot be evaluated for CPython 3.12.1: `platform_release` is not known"
    )


@pytest.mark.parametrize(
    ("name", "command"),
    [("uv.lock", "uv export"), ("poetry.lock", "poetry export"), ("pdm.lock", "pdm export"), ("lock.toml", "called")],
)
def test_the_lock_files_of_other_tools_are_refused_with_a_way_to_convert_them(
    name: str, command: str, store: Store, tmp_path: Path
) -> None:
    error = refusal("version = 1\n", store, tmp_path, name=name)

    assert (error.exit_code, error.message) == (2, f"`{name}` is neither a `pylock.toml` nor a requirements file")
    assert command in str(error.hint)


@pytest.mark.parametrize("kind", ["missing", "directory", "pipe", "binary"])
def test_a_lock_that_is_not_a_readable_text_file_is_refused(kind: str, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "pylock.toml"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "binary":
        path.write_bytes(b"lock-version = '1.0'\n\xff\n")

    with pytest.raises(ClocheError) as raised:
        locked_packages(LockRequest(str(path)), fake_interpreter(), store)

    reasons = {
        "missing": "cannot be read: no such file or directory",
        "directory": "cannot be read: not a regular file",
        "pipe": "cannot be read: not a regular file",
        "binary": "is not valid UTF-8 (line 2)",
    }
    assert raised.value.exit_code == 2
    assert raised.value.message == f"the lock file `{path}` {reasons[kind]}"
    assert raised.value.hint is not None


@pytest.mark.parametrize("name", ["uv.lock", "missing.toml", "missing.txt"])
def test_that_a_lock_does_not_exist_comes_before_what_is_wrong_with_its_name(
    name: str, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(ClocheError, match="cannot be read: no such file or directory"):
        locked_packages(LockRequest(str(tmp_path / name), extras=("x",)), fake_interpreter(), store)


def test_a_lock_that_changes_while_it_is_read_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pylock.toml"
    path.write_text(pylock([simple("spam")]))
    real = os.fstat
    calls = []

    def fstat(descriptor: int) -> os.stat_result:
        if calls.append(descriptor) or len(calls) == 3:  # after the content was read
            path.write_text(pylock([]))
        return real(descriptor)

    monkeypatch.setattr("cloche.store.lock_files.packages.os.fstat", fstat)
    with pytest.raises(ClocheError, match="changed while it was being read"):
        locked_packages(LockRequest(str(path)), fake_interpreter(), store)


@pytest.mark.parametrize("name", ["pylock.toml", "requirements.txt"])
def test_reading_a_lock_takes_steps_in_proportion_to_its_size(name: str, store: Store, tmp_path: Path) -> None:
    def steps(count: int) -> int:
        path = tmp_path / name
        if name == "pylock.toml":
            path.write_text(
                pylock([simple(f"spam{number}", marker="python_version >= '3'") for number in range(count)])
            )
        else:
            path.write_text("".join(f"spam{number}==1\n" for number in range(count)))
        calls = 0

        def profile(_frame: object, event: str, _argument: object) -> None:
            nonlocal calls
            calls += event == "call"

        sys.setprofile(profile)
        try:
            assert len(locked_packages(LockRequest(str(path)), fake_interpreter(), store)) == count
        finally:
            sys.setprofile(None)
        return calls

    steps(1)  # imports modules, and compiles patterns
    once = steps(1)

    assert steps(200) - once < 25 * (steps(20) - once)
