"""The notations of paths: read in every dialect, and written so that what reads them gets the same path."""

from __future__ import annotations

import io
import json
import os
import shlex
import struct
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloche.lifecycle import launchers
from cloche.lifecycle.activation_scripts import recorded_roots, rewrite_script
from cloche.lifecycle.embedded_paths import relocated_lines, relocated_settings, relocated_urls
from cloche.lifecycle.recorded_command import place_of, pointed
from cloche.lifecycle.relocation import Relocation, moved_around, needle
from cloche.lifecycle.shebangs import header_of, with_program
from cloche.shells.family import shell_of_program
from tests.tools import require

if TYPE_CHECKING:
    from cloche.shells.family import ShellFamily

OLD = "/work/old env"
NEW = '/work/it\'s "new" $HOME'
MOVED = Relocation(((OLD, NEW),))
PLAIN = Relocation((("/work/old", "/work/new"),))

BODY = b"import sys\nprint(sys.argv[1:])\n"

DIALECTS = {
    "direct": b"#!/x/bin/python3 -E\n",
    "distlib": b"#!/bin/sh\n'''exec' /x/bin/python3 \"$0\" \"$@\"\n' '''\n",
    "pip with spaces": b"#!/bin/sh\n'''exec' \"/x y/bin/python3\" \"$0\" \"$@\"\n' '''\n",
    "uv": b"#!/bin/sh\n'''exec' '/x '\"'\"'y/bin/python3' \"$0\" \"$@\"\n' '''\n",
    "cloche": b'#!/bin/sh\n# -*- coding: utf-8 -*-\n""":"\nexec "/x y/bin/python3" "$0" "$@"\n"""\n',
}


@pytest.mark.parametrize(
    ("dialect", "program"),
    [
        ("direct", "/x/bin/python3"),
        ("distlib", "/x/bin/python3"),
        ("pip with spaces", "/x y/bin/python3"),
        ("uv", "/x 'y/bin/python3"),
        ("cloche", "/x y/bin/python3"),
    ],
)
def test_every_dialect_of_a_first_line_is_read(dialect: str, program: str) -> None:
    header = header_of(DIALECTS[dialect] + BODY)
    assert header is not None
    assert (header.program, header.body) == (program, BODY)
    assert header.arguments == ("-E" if dialect == "direct" else "")


@pytest.mark.parametrize(
    "content",
    [
        b"echo no script\n",
        b"#!/bin/sh\necho a shell script\n",
        b"#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python' \"$0\" \"$@\"\n' '''\n",
        b'#!/bin/sh\nexec python "$0\n',
    ],
)
def test_what_names_no_program_is_left_alone(content: bytes) -> None:
    assert header_of(content) is None


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("place", ["plain", 'it\'s "a" $(touch x) `y` \\ é', "l" * 200])
def test_a_script_runs_with_the_program_that_was_written(tmp_path, dialect: str, place: str) -> None:
    """The system, sh and Python all read it, arguments and encoding included."""
    directory = tmp_path / place
    directory.mkdir()
    program = directory / "python3"
    program.symlink_to(sys.executable)
    header = header_of(DIALECTS[dialect] + BODY)
    assert header is not None
    content = with_program(header, str(program), "linux")
    assert content is not None
    script = tmp_path / "script"
    script.write_bytes(content)
    script.chmod(0o755)
    done = subprocess.run([script, "a b", "$c"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.stdout, done.stderr) == ("['a b', '$c']\n", "")
    again = header_of(content)
    assert again is not None
    assert (again.program, again.body) == (str(program), BODY)
    assert sorted(os.listdir(tmp_path)) == sorted([place, "script"])


def test_a_first_line_that_fits_becomes_one_again() -> None:
    header = header_of(DIALECTS["cloche"] + BODY)
    assert header is not None
    assert with_program(header, "/x/bin/python3", "linux") == b"#!/x/bin/python3\n# -*- coding: utf-8 -*-\n" + BODY


def test_what_is_no_python_cannot_be_started_by_lines_that_python_would_have_to_read() -> None:
    header = header_of(b"#!/x/bin/node\nconsole.log()\n")
    assert header is not None
    assert with_program(header, "/a b/bin/node", "linux") is None


def test_a_launcher_keeps_its_program_and_its_archive() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("__main__.py", "print('hello')\n")
    content = b"MZ" + b"\0#!not this\n" * 50 + b"#!C:\\old\\Scripts\\python.exe\r\n" + archive.getvalue()
    moved = launchers.with_program_of(content, lambda path: path.replace("old", "new place"))
    assert moved is not None
    assert moved.startswith(content[:400])
    parts = launchers.split(moved)
    assert parts is not None
    assert parts.program == "C:\\new place\\Scripts\\python.exe"
    assert b'#!"C:\\new place\\Scripts\\python.exe"\r\nPK' in moved
    with zipfile.ZipFile(io.BytesIO(moved)) as reader:
        assert reader.read("__main__.py") == b"print('hello')\n"
    assert launchers.split(b"MZ" + b"\0" * 100) is None


@pytest.mark.parametrize("kind", [b"UVSC", b"UVPY"])
def test_a_launcher_that_ends_with_the_path_of_its_python_gets_another(kind: bytes) -> None:
    """uv wrote such ones: the archive before it, if there is one, stays where it is."""

    def written(path: str) -> bytes:
        encoded = path.encode()
        return b"MZ" + b"\0" * 50 + b"PK archive" + encoded + struct.pack("<I", len(encoded)) + kind

    old, new = "C:\\old\\Scripts\\python.exe", "C:\\näher am\\Scripts\\python.exe"
    launcher = launchers.split(written(old))
    assert launcher is not None
    assert launcher.program == old
    assert launchers.with_program_of(written(old), lambda _: new) == written(new)
    assert launchers.with_program_of(written(old), lambda path: path) == written(old)
    assert launchers.split(b"MZ" + struct.pack("<I", 999_999) + kind) is None
    assert launchers.split(b"MZ\xff" + struct.pack("<I", 1) + kind) is None


# Text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/work/old", "/work/new"),
        ("see /work/old/bin, /work/old;", "see /work/new/bin, /work/new;"),
        ("-I/work/old/include -L/work/old/lib", "-I/work/new/include -L/work/new/lib"),
        ("file:///work/old/x", "file:///work/new/x"),
        ("PATH=/work/old/bin:/usr/bin", "PATH=/work/new/bin:/usr/bin"),
        (
            "/work/older /work/old-2 /work/old.d /private/work/old",
            "/work/older /work/old-2 /work/old.d /private/work/old",
        ),
    ],
)
def test_a_path_in_text_is_replaced_where_it_is_whole(text: str, expected: str) -> None:
    assert PLAIN.plain(text) == expected


def test_text_of_unknown_notation_gets_no_name_that_would_need_quotes() -> None:
    text = f"cd {OLD}/lib"
    assert MOVED.plain(text) == text
    assert MOVED.names_old(text)


def test_what_went_into_a_directory_of_its_old_place_is_moved_once() -> None:
    inner = Relocation((("/a", "/a/b"),))
    assert inner.path("/a/bin") == "/a/b/bin"
    assert inner.path(inner.path("/a/bin")) == "/a/b/bin"
    assert inner.plain(inner.plain("x /a/bin y")) == "x /a/b/bin y"


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
@example('it\'s "a" \\ $b é\n')
def test_json_says_the_new_path_whatever_it_is(name: str) -> None:
    relocation = Relocation((("/work/old", f"/work/{name}"),))
    for ascii_only in (True, False):
        text = json.dumps({"argv": ["/work/old/bin/python", "/work/older"]}, ensure_ascii=ascii_only)
        assert json.loads(relocation.json(text))["argv"] == [f"/work/{name}/bin/python", "/work/older"]


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
@example('it\'s "a" \\ $b é\n')
def test_python_says_the_new_path_whatever_it_is(name: str) -> None:
    relocation = Relocation((("/work/old", f"/work/{name}"),))
    source = "# é /work/old\nMAPPING = {'a': '/work/old/src/a', 'é': \"/work/older\"}; B = r'/work/old'\n"
    namespace: dict[str, object] = {}
    exec(relocation.python(source), namespace)
    assert namespace["MAPPING"] == {"a": f"/work/{name}/src/a", "é": "/work/older"}
    assert namespace["B"] == f"/work/{name}"


def test_python_that_does_not_parse_is_left_alone() -> None:
    assert MOVED.python("print 'python 2', '/work/old env'") == "print 'python 2', '/work/old env'"


def test_urls_are_percent_encoded() -> None:
    text = '{"dir_info": {"editable": true}, "url": "file:///work/old%20env/src/x"}'
    url = json.loads(relocated_urls(text, MOVED))["url"]
    assert unquote(urlsplit(url).path) == f"{NEW}/src/x"
    assert relocated_urls('{"url": "https://work/old%20env"}', MOVED) == '{"url": "https://work/old%20env"}'


def test_path_files_have_lines_of_paths_and_lines_of_python() -> None:
    text = f"{OLD}/src\r\n# {OLD}\nimport site; site.addsitedir('{OLD}/more')\nrelative\n{OLD}er\n"
    lines = relocated_lines(text, MOVED).splitlines(keepends=True)
    assert lines[0] == f"{NEW}/src\r\n"
    assert lines[2] == f"import site; site.addsitedir({NEW + '/more'!r})\n"
    assert lines[3:] == ["relative\n", f"{OLD}er\n"]


def test_settings_change_where_they_name_the_place_and_nowhere_else() -> None:
    text = f"home = /usr/bin\nprompt = '{OLD}'\ncommand = /usr/bin/python -m venv {OLD}\n"
    expected = f"home = /usr/bin\nprompt = '{OLD}'\ncommand = /usr/bin/python -m venv {NEW}\n"
    assert relocated_settings(text, MOVED) == expected


@pytest.mark.parametrize(
    ("command", "place"),
    [
        ("/usr/bin/python -m venv /x/env", "/x/env"),
        ("/usr/bin/python -m venv --without-pip --prompt=a /x/my env", "/x/my env"),
        ("/usr/bin/python -m venv /x/a\\b", "/x/a\\b"),
        ("/usr/bin/python -m cloche --python /usr/bin/python3 --activators '' --no-seed /x/env", "/x/env"),
        ("/usr/bin/python -m cloche --python /usr/bin/python3 --prompt '/y a' '/x/my env'", "/x/my env"),
        ("/usr/bin/python -m cloche --python /usr/bin/python3 '/x/unclosed", ""),
        ("/usr/bin/python -m virtualenv -p 3.12 env", ""),
        ("", ""),
    ],
)
def test_the_command_that_made_an_environment_names_it(command: str, place: str) -> None:
    assert place_of(command, "/x/other") == place


def test_a_place_that_cannot_be_written_in_a_line_is_known_again() -> None:
    assert place_of("/usr/bin/python -m venv /x/new line", "/x/new\nline") == "/x/new\nline"
    assert place_of("/usr/bin/python -m venv /x/blank", "/x/blank ") == "/x/blank "


def test_a_command_moves_word_by_word() -> None:
    """It is quoted anew: the new name may need other quotes."""
    relocation = Relocation((("/x/a b", "/y/it's"),))
    text = "command = /usr/bin/python -m cloche --python '/x/a b/python' '/x/a b'\n"
    moved = relocated_settings(text, relocation).removeprefix("command = ")
    assert shlex.split(moved)[-2:] == ["/y/it's/python", "/y/it's"]
    assert place_of(moved.strip(), "") == "/y/it's"


def test_a_command_names_the_interpreter_that_the_environment_was_brought_to() -> None:
    command = "/usr/bin/python -m cloche --python '/old one/python' --creator symlink /x/env"
    expected = "/usr/bin/python -m cloche --python /new/python --creator symlink /x/env"
    assert pointed(command, "/new/python") == expected
    assert pointed("/usr/bin/python -m venv --python /x/env", "/new") == "/usr/bin/python -m venv --python /x/env"


def test_a_directory_around_an_environment_moves_with_it() -> None:
    assert moved_around("/x/a/.venv", "/x/b/.venv") == (("/x/a", "/x/b"),)
    assert moved_around("/x/a/.venv", "/x/a/env") == ()
    assert moved_around("/x/p/q/.venv", "/y/p/q/.venv") == (("/x", "/y"),)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20))
def test_what_is_searched_for_stands_in_every_notation(name: str) -> None:
    path = f"/work/{name}"
    for notation in (path, json.dumps(path), json.dumps(path, ensure_ascii=False), repr(path)):
        assert needle(path) in notation.encode("utf-8")


# Activation scripts

LINES = {
    "bash": ["VIRTUAL_ENV={}", "export VIRTUAL_ENV={}", "# don't\nVIRTUAL_ENV={}"],
    "fish": ["set -gx VIRTUAL_ENV {}"],
    "tcsh": ["setenv VIRTUAL_ENV {}"],
}
SPELLED = {
    "bash": ["/old", "'/old'", '"/old"', "'/o'\"ld\"", "\\/old"],
    "fish": ["/old", "'/old'", '"/old"'],
    "tcsh": ["/old", "'/old'", '"/old"'],
}
SHOW = {
    "bash": (["-c"], '{}\nprintf %s "$VIRTUAL_ENV"'),
    "fish": (["--no-config", "-c"], "{}\nprintf %s $VIRTUAL_ENV"),
    "tcsh": (["-f", "-c"], "{} ; printenv VIRTUAL_ENV"),
}


def shell_named(program: str) -> ShellFamily:
    shell = shell_of_program(program)
    assert shell is not None
    return shell


@pytest.mark.parametrize(("program", "spelled"), [(program, word) for program in SPELLED for word in SPELLED[program]])
def test_the_root_in_a_script_is_read_and_rewritten_by_the_rules_of_its_shell(program: str, spelled: str) -> None:
    new = '/it\'s "a" $HOME `b` \\ !c (é)'
    flags, show = SHOW[program]
    found, shell = require(program), shell_named(program)
    for line in LINES[program]:
        text = line.format(spelled)
        assert recorded_roots(text, shell) == ["/old"]
        changed = rewrite_script(text, shell, lambda word, _: new if word == "/old" else word)
        environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
        done = subprocess.run([found, *flags, show.format(changed)], capture_output=True, env=environ, check=False)
        assert done.stdout.decode().removesuffix("\n") == new, done.stderr


@pytest.mark.parametrize(
    ("program", "line", "root"),
    [
        ("bash", 'VIRTUAL_ENV=$(cygpath "/old env")', "/old env"),
        ("tcsh", "set VIRTUAL_ENV='/old env'", "/old env"),
        ("pwsh", "$env:VIRTUAL_ENV = '/it''s old'", "/it's old"),
        ("cmd", 'set "VIRTUAL_ENV=C:\\old env"', "C:\\old env"),
        ("cmd", "@set VIRTUAL_ENV=C:\\old^&env", "C:\\old&env"),
        ("nu", "let virtual_env = r#'/old env'#", "/old env"),
        ("xonsh", '$VIRTUAL_ENV = "/old env"', "/old env"),
    ],
)
def test_the_root_is_found_in_the_notations_of_other_makers(program: str, line: str, root: str) -> None:
    assert recorded_roots(line, shell_named(program)) == [root]


@pytest.mark.parametrize(
    ("line", "new", "expected"),
    [
        ('@set "VIRTUAL_ENV=C:\\old"', "C:\\new 100%", '@set "VIRTUAL_ENV=C:\\new 100%%"'),
        ("@set VIRTUAL_ENV=C:\\old\r\n", "C:\\a&b", "@set VIRTUAL_ENV=C:\\a^&b\r\n"),
        ('@set "VIRTUAL_ENV=C:\\old"', "C:\\a&b", '@set "VIRTUAL_ENV=C:\\old"'),
    ],
)
def test_a_batch_file_changes_only_where_the_new_text_reads_back(line: str, new: str, expected: str) -> None:
    """Our quoter writes carets, which between quotes are no escapes."""
    assert rewrite_script(line, shell_named("cmd"), lambda word, _: new if word == "C:\\old" else word) == expected


def test_a_word_that_is_only_known_when_the_script_runs_is_left_alone() -> None:
    text = 'PATH="$VIRTUAL_ENV/bin:$PATH"\nVIRTUAL_ENV=$(cygpath "$VIRTUAL_ENV")\nPS1="(`date`) /old"\n'
    assert rewrite_script(text, shell_named("bash"), lambda word, _: "changed" if "/old" in word else word) == text


@pytest.mark.parametrize(("new", "expected"), [("/new env", "let x = r#'/new env'#"), ("/it's", "let x = r#'/old'#")])
def test_a_script_for_a_shell_without_its_plugin_follows_to_a_plain_path(new: str, expected: str) -> None:
    line = "let x = r#'/old'#"
    assert rewrite_script(line, shell_named("nu"), lambda word, _: new if word == "/old" else word) == expected
