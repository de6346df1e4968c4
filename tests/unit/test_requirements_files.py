"""Test pinned requirements files: which packages they pin, and the one line that explains what is not pinned."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from cloche.errors import ClocheError
from cloche.model.plan import LockRequest
from cloche.model.value import replace
from cloche.store import Store
from cloche.store.fetch.pins import SearchScope
from cloche.store.lock_files import locked_packages
from cloche.testing.fakes import fake_interpreter
from tests.distributions import host_with_home

if TYPE_CHECKING:
    from pathlib import Path

    from cloche.store.lock_files.packages import LockedPackage

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(host_with_home(tmp_path / "home", TOKEN="secret"))


def read(
    store: Store, tmp_path: Path, text: str, kind: str = "cpython-3.12-linux", **others: str
) -> list[LockedPackage]:
    path = tmp_path / "requirements.txt"
    path.write_text(text)
    for name, content in others.items():
        (tmp_path / f"{name}.txt").write_text(content)
    return locked_packages(LockRequest(str(path)), fake_interpreter(kind), store)


def pins(packages: list[LockedPackage]) -> dict[str, str]:
    return {package.name: package.version for package in packages}


def refusal(store: Store, tmp_path: Path, text: str, **others: str) -> str:
    with pytest.raises(ClocheError) as raised:
        read(store, tmp_path, text, **others)
    assert raised.value.exit_code == 2
    assert raised.value.hint
    return raised.value.message.replace(f"{tmp_path}/", "")


def test_pins_with_hashes_markers_extras_comments_and_continuation_lines(store: Store, tmp_path: Path) -> None:
    text = f"""\
# This file was made by a tool.
--index-url https://index.example/simple
Spam_Ham==1.0 ; python_version >= "3.8" \\
    --hash={A} \\
    --hash={B}
    # via nothing
eggs[extra] == 2.0.post1 \\
  --hash {A}  # a comment
bacon===3; sys_platform == 'win32' --hash={A}
"""
    found = read(store, tmp_path, text)

    assert pins(found) == {"eggs": "2.0.post1", "spam-ham": "1.0"}
    assert found[1].hashes == {("sha256", "a" * 64), ("sha256", "b" * 64)}
    assert pins(read(store, tmp_path, text, "cpython-3.12-windows"))["bacon"] == "3"


def test_nested_files_are_read_and_recorded(store: Store, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "more.txt").write_text("-r ../last.txt\nham==1\n")
    recorded: list[str] = []
    store.inputs = replace_path_record(store, recorded)

    found = read(store, tmp_path, "-r sub/more.txt\nspam\n--constraint=pins.txt\n", last="eggs==2\n", pins="spam==3\n")

    assert pins(found) == {"eggs": "2", "ham": "1", "spam": "3"}
    names = {os.path.relpath(path, tmp_path) for path in recorded}
    assert names == {"requirements.txt", "sub/more.txt", "last.txt", "pins.txt"}


def replace_path_record(store: Store, recorded: list[str]) -> object:
    from cloche.fs.inputs import Inputs

    class Recording(Inputs):
        def path(self, path: str) -> None:
            recorded.append(path)

    return Recording()


def test_a_constraint_limits_only_packages_that_are_required(store: Store, tmp_path: Path) -> None:
    assert pins(read(store, tmp_path, "-c pins.txt\nspam==1\n", pins="spam<2\neggs==1\n")) == {"spam": "1"}


WHEEL = "https://files.example/spam-1.0-py3-none-any.whl"


@pytest.mark.parametrize("line", [WHEEL, f"spam @ {WHEEL}", f"{WHEEL}#sha256={'a' * 64}", f"spam @ {WHEEL} --hash={A}"])
def test_the_url_of_a_wheel_is_a_pin(line: str, store: Store, tmp_path: Path) -> None:
    [found] = read(store, tmp_path, f"{line}\n")

    assert (found.name, found.version) == ("spam", "1.0")
    assert found.artifact is not None
    assert found.artifact.url == WHEEL
    hashes = {"sha256": "a" * 64} if "a" * 64 in line else {}
    assert found.artifact.hashes == hashes
    [(name, text)] = found.metadata
    assert name == "direct_url.json"
    assert json.loads(text) == {"url": WHEEL, "archive_info": {"hashes": hashes}}


@pytest.mark.parametrize("line", ["dist/spam-1.0-py3-none-any.whl", "./dist/spam-1.0-py3-none-any.whl", "file:{}"])
def test_the_path_of_a_wheel_is_a_pin(line: str, store: Store, tmp_path: Path) -> None:
    wheel = tmp_path / "dist" / "spam-1.0-py3-none-any.whl"

    [found] = read(store, tmp_path, line.format(wheel) + "\n")

    assert found.artifact is not None
    assert (found.artifact.path, found.artifact.url) == (str(wheel), "")


def test_a_commit_is_a_pin(store: Store, tmp_path: Path) -> None:
    [found] = read(store, tmp_path, f"spam @ git+https://git.example/spam@{'c' * 40}#subdirectory=python\n")

    assert found.source is not None
    assert json.loads(found.metadata[0][1]) == {
        "url": "https://git.example/spam",
        "vcs_info": {"vcs": "git", "commit_id": "c" * 40, "requested_revision": "c" * 40},
        "subdirectory": "python",
    }


def test_an_editable_directory_is_named_by_its_project(store: Store, tmp_path: Path) -> None:
    (tmp_path / "member").mkdir()
    (tmp_path / "member" / "pyproject.toml").write_text('[project]\nname = "My.Member"\n')

    [found] = read(store, tmp_path, "-e ./member\n")

    assert found.name == "my-member"
    assert json.loads(found.metadata[0][1])["dir_info"] == {"editable": True}


@pytest.mark.parametrize("line", ["./member", "member/", "../work/member", "file:member", "my-member @ file:member"])
def test_a_directory_is_named_by_its_project(line: str, store: Store, tmp_path: Path) -> None:
    (tmp_path / "work" / "member").mkdir(parents=True)
    (tmp_path / "work" / "member" / "pyproject.toml").write_text('[project]\nname = "My.Member"\n')
    text = line.replace("file:member", f"file://{tmp_path}/work/member")

    [found] = read(store, tmp_path / "work", f"{text}\n")

    assert found.name == "my-member"
    assert json.loads(found.metadata[0][1]) == {"url": (tmp_path / "work" / "member").as_uri(), "dir_info": {}}


@pytest.mark.parametrize(
    "line",
    [
        WHEEL,
        "./spam-1.0-py3-none-any.whl",
        "-e ./member",
        "-e 'odd member'",
        "-e file://{}/member",
        "--editable=./member[extra]",
        "-e spam @ file://{}/member",
        "-e spam[extra] @ file://{}/member",
    ],
)
def test_a_marker_decides_about_a_url_or_path(line: str, store: Store, tmp_path: Path) -> None:
    for name in ("member", "odd member"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text('[project]\nname = "spam"\n')
    text = line.format(tmp_path)

    for marker, names in {"": ["spam"], " ; python_version >= '3'": ["spam"], "; python_version < '3'": []}.items():
        assert [package.name for package in read(store, tmp_path, f"{text}{marker}\n")] == names


@pytest.mark.parametrize("line", ["https://files.example/Spam_Ham-1.0.tar.gz", "./dist/spam-ham-1.0.zip"])
def test_a_source_distribution_is_named_by_its_file(line: str, store: Store, tmp_path: Path) -> None:
    [found] = read(store, tmp_path, f"{line}\n")

    assert (found.name, found.version) == ("spam-ham", "")


def test_variables_are_replaced_in_all_lines(store: Store, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "pyproject.toml").write_text('[project]\nname = "spam"\n')

    found = read(store, tmp_path, "-e ./${TOKEN}\n-r ${TOKEN}.txt\n", secret="eggs==1\n")

    assert {package.name for package in found} == {"eggs", "spam"}


def test_weak_hashes_of_a_url_are_not_ignored(store: Store, tmp_path: Path) -> None:
    [found] = read(store, tmp_path, f"{WHEEL}#md5={'a' * 32}\n")

    assert found.artifact is not None
    assert found.artifact.hashes == {"md5": "a" * 32}


def test_variables_in_urls_are_replaced_and_their_values_not_recorded(store: Store, tmp_path: Path) -> None:
    [found] = read(store, tmp_path, f"spam @ {WHEEL.replace('https://', 'https://me:${TOKEN}@')}\n")

    assert found.artifact is not None
    assert found.artifact.url == WHEEL.replace("https://", "https://me:secret@")
    assert "secret" not in found.metadata[0][1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_of_windows_are_read(encoding: str, store: Store, tmp_path: Path) -> None:
    """PowerShell 5 writes UTF-16, and some editors indent with tabs."""
    path = tmp_path / "requirements.txt"
    path.write_bytes(f"# é\r\nspam==1 \\\r\n\t--hash={A}\r\n".encode(encoding))

    [found] = locked_packages(LockRequest(str(path)), fake_interpreter(), store)

    assert (found.name, found.version, len(found.hashes)) == ("spam", "1", 1)


def test_indexes_and_links_of_the_file_are_searched(store: Store, tmp_path: Path) -> None:
    text = "spam==1\n--extra-index-url https://me:${TOKEN}@a.example/x\n--find-links=wheels\n-r other.txt\n"

    [found] = read(store, tmp_path, text, other="-f https://b.example/links\n")

    links = ((tmp_path / "wheels").as_uri(), "https://b.example/links")
    assert found.scope == SearchScope(("https://me:secret@a.example/x",), links)


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("-i https://a.example\nspam==1\n", SearchScope(("https://a.example",), own_indexes="ignored")),
        (f"-i https://a.example\nspam==1 --hash={A}\n", SearchScope(("https://a.example",))),
        ("--no-index\n--extra-index-url https://a.example\nspam==1\n", SearchScope(own_indexes="ignored")),
    ],
)
def test_the_index_of_the_file_replaces_that_of_the_user_unless_a_hash_decides(
    text: str, scope: SearchScope, store: Store, tmp_path: Path
) -> None:
    [found] = read(store, tmp_path, text)

    assert found.scope == scope


@pytest.mark.parametrize(
    ("options", "forms"),
    [
        ("", ["any", "any"]),
        ("--only-binary :all:\n", ["wheel", "wheel"]),
        ("--only-binary=:all:\n--no-binary Spam\n", ["wheel", "source"]),
        ("--no-binary spam,eggs\n--only-binary eggs\n", ["wheel", "source"]),
        ("--no-binary :all:\n--no-binary :none:\n", ["any", "any"]),
    ],
)
def test_the_form_of_the_files_is_respected(options: str, forms: list[str], store: Store, tmp_path: Path) -> None:
    """A file that allows only wheels must not make cloche run a build."""
    assert [package.form for package in read(store, tmp_path, f"{options}eggs==1\nspam==1\n")] == forms


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("pyproject.toml", '[tool.poetry]\nname = "Spam.Ham"\n', "-e ./project"),
        ("setup.cfg", "[metadata]\nname = Spam.Ham\n", "-e ./project[extra]"),
        ("setup.cfg", "[metadata]\nname = Spam.Ham\n", "./project"),
        ("setup.py", "", "-e ./project#egg=Spam.Ham"),
    ],
)
def test_older_projects_are_named_too(name: str, content: str, line: str, store: Store, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / name).write_text(content)

    [found] = read(store, tmp_path, f"{line}\n")

    assert found.name == "spam-ham"


def test_a_path_can_contain_the_mark_of_a_fragment(store: Store, tmp_path: Path) -> None:
    path = "c#/spam#1/spam-1-py3-none-any.whl"

    for line in (f"./{path} --hash={A}", f"spam @ ./{path}#sha256={'a' * 64}"):
        [found] = read(store, tmp_path, f"{line}\n")
        assert found.artifact is not None
        assert (found.artifact.path, found.artifact.hashes) == (str(tmp_path / path), {"sha256": "a" * 64})


def test_the_same_pin_twice_has_the_hashes_of_both(store: Store, tmp_path: Path) -> None:
    [found] = read(store, tmp_path, f"spam==1 --hash={A}\nspam==1 --hash={B}\n")

    assert len(found.hashes) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# top\n\nspam\n", "`requirements.txt`, line 3: `spam` is not pinned to one version (`spam`)"),
        ("eggs==1\nspam>=1 \\\n ,<2\n", "`requirements.txt`, line 2: `spam` is not pinned to one version"),
        ("spam==1.*\n", "`requirements.txt`, line 1: `spam` is not pinned to one version (`spam==1.*`)"),
        ("spam==1,<1\n", "`requirements.txt`, line 1 contradicts itself: no version satisfies"),
        (f"{WHEEL} ; python_version = 1\n", "`requirements.txt`, line 1 is not valid: expected "),
        ("spam = 1\n", "`requirements.txt`, line 1 is not valid: "),
        ("spam==1 --hash=md5:0123\n", "`requirements.txt`, line 1 is not valid: `md5:0123` is not a SHA-256"),
        ("spam==1 --hash=sha256:xyz\n", "`requirements.txt`, line 1 is not valid: `sha256:xyz` is not a SHA-256"),
        ("spam==1 --global-option=x\n", "`requirements.txt`, line 1: `--global-option` is not supported"),
        ("spam==1 --frobnicate\n", "`requirements.txt`, line 1 is not valid: unknown option `--frobnicate`"),
        ("--frobnicate\n", "`requirements.txt`, line 1 is not valid: unknown option `--frobnicate`"),
        ("spam==1\n./member\0\n", "the lock file `requirements.txt` contains a null character (line 2)"),
        ("-e file:%00\n", "`requirements.txt` names a file with an invalid path: `file:%00`"),
        ("spam @ http://[::1\n", "`requirements.txt`, line 1 is not valid: `http://[::1` is not a valid URL"),
        ("-i https://me:secret@a]b/\n", "`requirements.txt`, line 1 is not valid: `https://a]b/` is not a valid URL"),
        ("-f https://[/\n", "`requirements.txt`, line 1 is not valid: `https://[/` is not a valid URL"),
        (f"spam==1 --hash={A}\neggs==1\n", "`requirements.txt`, line 2: `eggs` has no hash, but other lines have one"),
        (
            "spam==1\nspam==2\n",
            "`requirements.txt`, line 2: `spam` is already pinned differently in `requirements.txt`, line 1",
        ),
        (
            "spam @ git+https://git.example/spam@main\n",
            "`requirements.txt`, line 1: `git+https://git.example/spam@main` is not pinned",
        ),
        (
            "https://files.example/main.zip\n",
            "`requirements.txt`, line 1 is not valid: `https://files.example/main.zip` does not name",
        ),
        (
            f"eggs @ {WHEEL}\n",
            "`requirements.txt`, line 1 is not valid: `spam-1.0-py3-none-any.whl` is not a file of `eggs`",
        ),
        ("spam==1; python_version ~= 'x'\n", "`requirements.txt`, line 1 is not valid: the marker cannot be evaluated"),
        (
            f"-e git+https://git.example/spam@{'c' * 40}#egg=spam\n",
            "`requirements.txt`, line 1: an editable install from a URL is not supported",
        ),
        ("-e missing\n", "`requirements.txt`, line 1 is not valid: `missing` is not a directory with a project"),
        ("-e .\n", "`requirements.txt`, line 1: no `pyproject.toml` or `setup.cfg` in `.` names a package"),
        (
            "--require-hashes\nspam==1\n",
            "`requirements.txt`, line 2: `spam` has no hash, but the file has `--require-hashes`",
        ),
        (
            f"spam @ {WHEEL}\n--require-hashes\n",
            "`requirements.txt`, line 1: `spam` has no hash, but the file has `--require-hashes`",
        ),
        ("--index-url\n", "`requirements.txt`, line 1 is not valid: `--index-url` has no value"),
        ("spam=1\n", "`requirements.txt`, line 1 is not valid: expected "),
        ("-r other.txt\n", "the lock file `other.txt`, which `requirements.txt` names, cannot be read: no such file"),
        ("-r https://files.example/r.txt\n", "`requirements.txt`, line 1: `https://files.example/r.txt` is a URL"),
        ("-r requirements.txt\n", "`requirements.txt` includes itself, through `requirements.txt`"),
    ],
)
def test_a_line_that_pins_nothing_is_refused_by_its_number(
    text: str, message: str, store: Store, tmp_path: Path
) -> None:
    assert refusal(store, tmp_path, text).startswith(message)


def test_the_file_and_line_of_a_nested_file_are_named(store: Store, tmp_path: Path) -> None:
    assert refusal(store, tmp_path, "-r nested.txt\n", nested="\nspam\n").startswith("`nested.txt`, line 2: `spam`")


def test_a_contradiction_with_a_constraint_names_both_lines(store: Store, tmp_path: Path) -> None:
    message = refusal(store, tmp_path, "-c pins.txt\nspam==1\n", pins="spam==2\n")

    assert message.startswith("`requirements.txt`, line 2 and `pins.txt`, line 1 contradict each other")


def test_extras_and_groups_need_a_pylock(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("spam==1\n")

    with pytest.raises(ClocheError, match="is a requirements file, which has no extras and no dependency groups"):
        locked_packages(replace(LockRequest(str(path)), groups=("dev",)), fake_interpreter(), store)
