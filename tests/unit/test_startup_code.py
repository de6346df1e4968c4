"""Test that startup code is found exactly where the `site` module of each Python runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cloche.errors import UsageError
from cloche.model.distribution import StartupCode
from cloche.store.startup_code import find_startup_code, parse_policy, startup_code_of_wheel, without_files
from tests.interpreters import pyenv

if TYPE_CHECKING:
    from pathlib import Path


def mark(name: str, *, tab: bool = False) -> str:
    """Return a line that records that it ran."""
    return f"import{chr(9) if tab else ' '}sys; sys.marks.append('{name}')"


FILES = {
    "plain.pth": mark("first") + "\n" + mark("second"),
    "mark.pth": "\ufeff" + mark("after a byte order mark") + "\n" + mark("line after it"),
    "tab.pth": mark("tab", tab=True),
    "space.pth": "  " + mark("indented") + "\n\n" + mark("after an empty line"),
    "comment.pth": "#" + mark("comment") + "\n # " + mark("indented comment"),
    "returns.pth": mark("return") + "\r" + mark("after a return") + "\r\n" + mark("after both"),
    "separators.pth": "\x0c".join(("x", mark("after a form feed"))) + "\u2028" + mark("after a separator"),
    "word.pth": "importlib\nimport\x0bsys; sys.marks.append('vertical tab')\nfrom sys import path",
    "long.pth": mark("long") + " #" + "x" * 200_000 + "\n" + mark("after a long line"),
    "UPPER.PTH": mark("capitals"),
    "text.txt": mark("text"),
    "both.pth": mark("replaced by a start file"),
    "both.start": "# comment\nmarks:by_start\n",
    "alone.start": "  marks:alone",
    "marked.start": "\ufeffmarks:marked",
    "empty.pth": mark("replaced by an empty start file"),
    "empty.start": "",
    "marks.py": "import sys\n"
    + "".join(f"def {name}(): sys.marks.append('marks:{name}')\n" for name in ("by_start", "alone", "marked")),
}

PROGRAM = """
import json, sys
sys.marks = []
import site
site.addsitedir(sys.argv[1])
print(json.dumps([sys.version_info[:2], sys.marks]))
"""


@pytest.mark.parametrize("minor", ["running", "3.6", "3.9", "3.12", "3.13"])
def test_it_is_what_site_runs(minor: str, tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_bytes(text.encode())
    python = sys.executable if minor == "running" else pyenv(minor)
    done = subprocess.run(
        [python, "-S", "-W", "ignore", "-c", PROGRAM, str(tmp_path)],
        env={"LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    version, ran = json.loads(done.stdout.splitlines()[-1])

    found = find_startup_code({name: text.encode() for name, text in FILES.items()}, version)

    texts = [code.text for code in found]
    marks = [text.partition("('")[2].partition("')")[0] or text for text in texts]
    assert sorted(marks) == sorted(ran)
    assert len(ran) > 5


def test_a_byte_order_mark_hides_the_first_line_before_3_13() -> None:
    content = ("\ufeff" + mark("x")).encode()

    assert list(find_startup_code({"a.pth": content}, (3, 12))) == []
    assert list(find_startup_code({"a.pth": content}, (3, 13))) == [StartupCode("a.pth", 1, mark("x"))]


def test_start_files_replace_import_lines_from_3_15_to_3_17() -> None:
    files = {"a.pth": b"import a", "a.start": b"a:run", "b.pth": b" import b"}

    def paths(minor: int) -> list[str]:
        return [code.path for code in find_startup_code(files, (3, minor))]

    assert paths(14) == ["a.pth"]
    assert paths(15) == ["a.start", "b.pth"]
    assert paths(18) == ["a.start"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sitecustomize.py": b""}, ["sitecustomize.py"]),
        ({"usercustomize/__init__.py": b"", "usercustomize/other.py": b""}, ["usercustomize/__init__.py"]),
        ({"sitecustomize.cpython-312-x86_64-linux-gnu.so": b""}, ["sitecustomize.cpython-312-x86_64-linux-gnu.so"]),
        ({"sitecustomize.pyc": b""}, ["sitecustomize.pyc"]),
        ({"pkg/sitecustomize.py": b""}, []),
        ({"pkg/sitecustomize.py": b"", "a.pth": b"pkg\n"}, ["pkg/sitecustomize.py"]),
        ({"p/q/sitecustomize/__init__.py": b"", "a.pth": b"./p/../p/q  "}, ["p/q/sitecustomize/__init__.py"]),
        ({".pkg/sitecustomize.py": b"", "a.pth": b".pkg\n"}, [".pkg/sitecustomize.py"]),
        ({"sitecustomize.txt": b"", "sitecustomized.py": b""}, []),
    ],
)
def test_modules_that_site_imports_are_found(files: dict[str, bytes], expected: list[str]) -> None:
    assert [code.path for code in find_startup_code(files, (3, 12))] == expected


def test_a_wheel_can_have_it_in_every_tree_that_python_searches() -> None:
    line = b"import x"
    files = {
        ("purelib", "a.pth"): line,
        ("platlib", "b.pth"): line,
        ("data", "lib/python3.12/site-packages/c.pth"): line,
        ("data", "Lib/site-packages/sitecustomize.py"): b"",
        ("data", "lib/python3.12/sitecustomize.py"): b"",
        ("data", "share/d.pth"): line,
        ("scripts", "e.pth"): line,
        ("headers", "sitecustomize.py"): b"",
    }

    found = tuple(startup_code_of_wheel(files, (3, 12)))

    assert sorted(code.path for code in found) == [
        "Lib/site-packages/sitecustomize.py",
        "a.pth",
        "b.pth",
        "lib/python3.12/site-packages/c.pth",
        "lib/python3.12/sitecustomize.py",
    ]
    assert "a.pth" not in [code.path for code in without_files(found, ["purelib/a.pth"])]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ("list", ())),
        (["allow"], ("allow", ())),
        (["refuse", "refuse"], ("refuse", ())),
        (["Setup_Tools", "coverage"], ("refuse", ("coverage", "setup-tools"))),
    ],
)
def test_a_policy_is_a_word_or_a_list_of_packages(words: list[str], expected: object) -> None:
    assert parse_policy(words) == expected


@pytest.mark.parametrize("words", [["refuse", "setuptools"], ["allow", "list"], ["a b"], [""], ["--lock"]])
def test_an_invalid_policy_is_an_error(words: list[str]) -> None:
    with pytest.raises(UsageError):
        parse_policy(words)
