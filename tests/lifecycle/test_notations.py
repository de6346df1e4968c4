"""Test that paths are read and rewritten in every notation: shebangs, launchers, JSON, Python, URLs, `.pth`, shells."""

from __future__ import annotations

import io
import json
import os
import shlex
import struct
import subprocess
import sys
import warnings
import zipfile
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloche.lifecycle.embedded_paths import (
    RelocationContext,
    launchers,
    relocate_activator,
    relocate_pth,
    relocate_settings,
    relocate_urls,
)
from cloche.lifecycle.embedded_paths.activation_scripts import rewrite_script, roots_in_script
from cloche.lifecycle.embedded_paths.shebangs import parse_header, script_with_program
from cloche.lifecycle.recorded_command import recorded_destination, replace_interpreter
from cloche.lifecycle.relocation import Relocation, moved_parent, needle
from cloche.shells import quote_word, shell_of_program
from tests.tools import require

if TYPE_CHECKING:
    from cloche.model.environment import Environment
    from cloche.shells import ShellFamily

OLD = "/work/old env"
NEW = '/work/it\'s "new" $HOME'
QUOTED = Relocation(((OLD, NEW),))
PLAIN = Relocation((("/work/old", "/work/new"),))

BODY = b"import sys\nprint(sys.argv[1:])\n"

SHEBANGS = {
    "direct": b"#!/x/bin/python3 -E\n",
    "distlib": b"#!/bin/sh\n'''exec' /x/bin/python3 \"$0\" \"$@\"\n' '''\n",
    "pip with spaces": b"#!/bin/sh\n'''exec' \"/x y/bin/python3\" \"$0\" \"$@\"\n' '''\n",
    "uv": b"#!/bin/sh\n'''exec' '/x '\"'\"'y/bin/python3' \"$0\" \"$@\"\n' '''\n",
    "cloche": b'#!/bin/sh\n# -*- coding: utf-8 -*-\n""":"\nexec "/x y/bin/python3" "$0" "$@"\n"""\n',
}


@pytest.mark.parametrize(
    ("form", "program"),
    [
        ("direct", "/x/bin/python3"),
        ("distlib", "/x/bin/python3"),
        ("pip with spaces", "/x y/bin/python3"),
        ("uv", "/x 'y/bin/python3"),
        ("cloche", "/x y/bin/python3"),
    ],
)
def test_every_form_of_a_shebang_is_read(form: str, program: str) -> None:
    header = parse_header(SHEBANGS[form] + BODY)
    assert header is not None
    assert (header.program, header.body) == (program, BODY)
    assert header.arguments == ("-E" if form == "direct" else "")


@pytest.mark.parametrize(
    ("line", "program", "arguments"),
    [
        ("/usr/bin/env -S /x/bin/python3 -sE", "/x/bin/python3", "-sE"),
        ("/usr/bin/env -S/x/bin/python3", "/x/bin/python3", ""),
        ("/usr/bin/env --split-string=/x/bin/python3 -u", "/x/bin/python3", "-u"),
        ("/bin/env /x/bin/python3", "/x/bin/python3", ""),
        ("/usr/bin/env python3", "/usr/bin/env", "python3"),
        ("/usr/bin/env -S python3 -u", "/usr/bin/env", "-S python3 -u"),
    ],
)
def test_a_program_that_env_starts_by_its_path_is_read(line: str, program: str, arguments: str) -> None:
    header = parse_header(f"#!{line}\n".encode() + BODY)
    assert header is not None
    assert (header.program, header.arguments, header.body) == (program, arguments, BODY)


def test_a_path_that_pip_did_not_escape_is_read_as_it_is() -> None:
    header = parse_header(b"#!/bin/sh\n'''exec' \"/x $y/bin/python3\" \"$0\" \"$@\"\n' '''\n" + BODY)
    assert header is not None
    assert (header.program, header.arguments) == ("/x $y/bin/python3", "")


@pytest.mark.parametrize("argument", ["-E", "-Wignore::\\d", "-X$HOME"])
def test_the_arguments_of_a_program_are_literal_to_sh_and_python(argument: str) -> None:
    header = parse_header(f"#!/x/python3 {argument}\n".encode() + BODY)
    assert header is not None
    content = script_with_program(header, "/x y/python3", "linux")
    assert content is not None
    rewritten = parse_header(content)
    assert rewritten is not None
    assert (rewritten.program, rewritten.arguments) == ("/x y/python3", argument)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compile(content, "script", "exec")


@pytest.mark.parametrize(
    "content",
    [
        b"echo no shebang\n",
        b"#!/bin/sh\necho a shell script\n",
        b"#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python' \"$0\" \"$@\"\n' '''\n",
        b'#!/bin/sh\nexec python "$0\n',
        b"#!/bin/sh\n'''exec' /x/bin/python3; echo \"$0\" \"$@\"\n' '''\n",
    ],
)
def test_scripts_without_the_path_of_a_program_are_ignored(content: bytes) -> None:
    assert parse_header(content) is None


@pytest.mark.parametrize("form", SHEBANGS)
@pytest.mark.parametrize("name", ["plain", 'it\'s "a" $(touch x) `y` \\ é', "l" * 200, "a\udcff", "\udce9t\udce9 b"])
def test_a_rewritten_script_starts_with_the_new_program(tmp_path, form: str, name: str) -> None:
    """The kernel, sh and Python all read the new lines, which keep the arguments and the encoding."""
    directory = tmp_path / name
    directory.mkdir()
    program = directory / "python3"
    program.symlink_to(sys.executable)
    header = parse_header(SHEBANGS[form] + BODY)
    assert header is not None
    content = script_with_program(header, str(program), "linux")
    assert content is not None
    script = tmp_path / "script"
    script.write_bytes(content)
    script.chmod(0o755)
    done = subprocess.run([script, "a b", "$c"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.stdout, done.stderr) == ("['a b', '$c']\n", "")
    rewritten = parse_header(content)
    assert rewritten is not None
    assert (rewritten.program, rewritten.body) == (str(program), BODY)
    assert sorted(os.listdir(tmp_path)) == sorted([name, "script"])


def test_a_short_path_is_written_as_a_shebang() -> None:
    header = parse_header(SHEBANGS["cloche"] + BODY)
    assert header is not None
    assert (
        script_with_program(header, "/x/bin/python3", "linux") == b"#!/x/bin/python3\n# -*- coding: utf-8 -*-\n" + BODY
    )


def test_only_python_scripts_can_start_with_sh_lines() -> None:
    header = parse_header(b"#!/x/bin/node\nconsole.log()\n")
    assert header is not None
    assert script_with_program(header, "/a b/bin/node", "linux") is None


def test_a_rewritten_launcher_keeps_its_executable_and_its_archive() -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("__main__.py", "print('hello')\n")
    content = b"MZ" + b"\0#!not this\n" * 50 + b"#!C:\\old\\Scripts\\python.exe\r\n" + archive.getvalue()
    rewritten = launchers.replace_program(content, lambda path: path.replace("old", "new env"))
    assert rewritten is not None
    assert rewritten.startswith(content[:400])
    parts = launchers.parse_launcher(rewritten)
    assert parts is not None
    assert parts.program == "C:\\new env\\Scripts\\python.exe"
    assert b'#!"C:\\new env\\Scripts\\python.exe"\r\nPK' in rewritten
    with zipfile.ZipFile(io.BytesIO(rewritten)) as reader:
        assert reader.read("__main__.py") == b"print('hello')\n"
    assert launchers.parse_launcher(b"MZ" + b"\0" * 100) is None


@pytest.mark.parametrize("kind", [b"UVSC", b"UVPY"])
def test_a_launcher_that_ends_with_the_path_of_its_python_is_rewritten(kind: bytes) -> None:
    """uv before 0.9.9 wrote such launchers. An archive before the path is kept."""

    def make_launcher(path: str) -> bytes:
        encoded = path.encode()
        return b"MZ" + b"\0" * 50 + b"PK archive" + encoded + struct.pack("<I", len(encoded)) + kind

    old, new = "C:\\old\\Scripts\\python.exe", "C:\\café au lait\\Scripts\\python.exe"
    launcher = launchers.parse_launcher(make_launcher(old))
    assert launcher is not None
    assert launcher.program == old
    assert launchers.replace_program(make_launcher(old), lambda _: new) == make_launcher(new)
    assert launchers.replace_program(make_launcher(old), lambda path: path) == make_launcher(old)
    assert launchers.parse_launcher(b"MZ" + struct.pack("<I", 999_999) + kind) is None
    assert launchers.parse_launcher(b"MZ\xff" + struct.pack("<I", 1) + kind) is None


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
def test_a_path_in_text_is_replaced_only_if_it_is_complete(text: str, expected: str) -> None:
    assert PLAIN.plain_text(text) == expected


def test_text_of_unknown_notation_is_not_rewritten_if_the_path_needs_quotes() -> None:
    text = f"cd {OLD}/lib"
    assert QUOTED.plain_text(text) == text
    assert QUOTED.mentions_old_root(text)


def test_a_path_moved_into_its_old_directory_is_rewritten_once() -> None:
    relocation = Relocation((("/a", "/a/b"),))
    assert relocation.path("/a/bin") == "/a/b/bin"
    assert relocation.path(relocation.path("/a/bin")) == "/a/b/bin"
    assert relocation.plain_text(relocation.plain_text("x /a/bin y")) == "x /a/b/bin y"


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
@example('it\'s "a" \\ $b é\n')
def test_json_can_hold_any_new_path(name: str) -> None:
    relocation = Relocation((("/work/old", f"/work/{name}"),))
    for ascii_only in (True, False):
        text = json.dumps({"argv": ["/work/old/bin/python", "/work/older"]}, ensure_ascii=ascii_only)
        assert json.loads(relocation.json(text))["argv"] == [f"/work/{name}/bin/python", "/work/older"]


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
@example('it\'s "a" \\ $b é\n')
def test_python_code_can_hold_any_new_path(name: str) -> None:
    relocation = Relocation((("/work/old", f"/work/{name}"),))
    source = "# é /work/old\nMAPPING = {'a': '/work/old/src/a', 'é': \"/work/older\"}; B = r'/work/old'\n"
    namespace: dict[str, object] = {}
    exec(relocation.python(source), namespace)
    assert namespace["MAPPING"] == {"a": f"/work/{name}/src/a", "é": "/work/older"}
    assert namespace["B"] == f"/work/{name}"


LONGER = [*"'\"\\$`!;,*", "é", "\\2", "'q", " q", "\tq", "{q}", "'\"$`\\ q", "2/old"]
"""Texts that make a new path which begins with the old one."""


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=9))
@example("é")
@example("\\2")
def test_a_path_that_begins_with_the_old_one_is_replaced_once_in_every_notation(rest: str) -> None:
    relocation = Relocation((("/work/old", f"/work/old{rest}"),))
    moved = [f"/work/old{rest}/x", "/work/older"]
    assert eval(relocation.python("['/work/old/x', '/work/older']")) == moved
    for ascii_only in (True, False):
        text = relocation.json(json.dumps(["/work/old/x", "/work/older"], ensure_ascii=ascii_only))
        assert json.loads(text) == moved
        assert not relocation.mentions_old_root(text)
    for notation in (str, repr, shlex.quote, lambda path: quote_word(path, "posix"), json.dumps):
        assert not relocation.mentions_old_root(notation(moved[0]))
        assert relocation.mentions_old_root(f"{notation(moved[0])} = {notation('/work/old/x')}")


@pytest.mark.parametrize("rest", LONGER)
@pytest.mark.parametrize("program", ["bash", "fish", "tcsh", "pwsh"])
def test_a_script_gets_a_path_and_a_prompt_that_begin_with_the_old_ones(program: str, rest: str) -> None:
    shell = shell_of_program(program)
    assert shell
    assignment = {"bash": "VIRTUAL_ENV={}", "fish": "set -gx VIRTUAL_ENV {}", "tcsh": "setenv VIRTUAL_ENV {}"}
    line = assignment.get(program, "$env:VIRTUAL_ENV = {}") + "\n"
    context = RelocationContext(
        environment=cast("Environment", None),
        relocation=Relocation((("/work/old", f"/work/old{rest}"),)),
        platform="linux",
        shells={},
        generated={},
        prompts=("old", f"old{rest}"),
    )
    for old, prompt in ((shell.quote("/work/old"), shell.quote("old")), ("'/work/old'", "'old'")):
        text = line.format(old) + line.replace("ENV ", "ENV_PROMPT ").replace("ENV=", "ENV_PROMPT=").format(prompt)
        moved = relocate_activator(text, shell, context)
        words = [word.text for word in shell.read_words(moved)]
        assert words.count(f"/work/old{rest}") == 1, moved
        assert words.count(f"old{rest}") == 1, moved
        assert not context.relocation.mentions_old_root(moved)


@pytest.mark.parametrize(("new", "expected"), [("/work/a\\b", "/work/old"), ("C:\\a\\b", "C:\\a\\b")])
def test_a_backslash_needs_quotes_except_in_paths_of_windows(new: str, expected: str) -> None:
    assert Relocation((("/work/old", new),)).plain_text("cd /work/old") == f"cd {expected}"


def test_invalid_python_is_not_rewritten() -> None:
    assert QUOTED.python("print 'python 2', '/work/old env'") == "print 'python 2', '/work/old env'"


def test_the_path_in_a_url_is_percent_encoded() -> None:
    text = '{"dir_info": {"editable": true}, "url": "file:///work/old%20env/src/x"}'
    url = json.loads(relocate_urls(text, QUOTED))["url"]
    assert unquote(urlsplit(url).path) == f"{NEW}/src/x"
    assert relocate_urls('{"url": "https://work/old%20env"}', QUOTED) == '{"url": "https://work/old%20env"}'


def test_both_kinds_of_lines_in_a_pth_file_are_rewritten() -> None:
    text = f"{OLD}/src\r\n# {OLD}\nimport site; site.addsitedir('{OLD}/more')\nrelative\n{OLD}er\n"
    lines = relocate_pth(text, QUOTED).splitlines(keepends=True)
    assert lines[0] == f"{NEW}/src\r\n"
    assert lines[2] == f"import site; site.addsitedir({NEW + '/more'!r})\n"
    assert lines[3:] == ["relative\n", f"{OLD}er\n"]


def test_only_settings_that_hold_the_path_are_rewritten() -> None:
    text = f"home = /usr/bin\nprompt = '{OLD}'\ncommand = /usr/bin/python -m venv {OLD}\n"
    expected = f"home = /usr/bin\nprompt = '{OLD}'\ncommand = /usr/bin/python -m venv {NEW}\n"
    assert relocate_settings(text, QUOTED) == expected


@pytest.mark.parametrize(
    ("command", "root"),
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
def test_the_root_is_read_from_the_recorded_command(command: str, root: str) -> None:
    assert recorded_destination(command, "/x/other") == root


def test_a_root_that_the_config_cannot_hold_exactly_is_recognized() -> None:
    assert recorded_destination("/usr/bin/python -m venv /x/new line", "/x/new\nline") == "/x/new\nline"
    assert recorded_destination("/usr/bin/python -m venv /x/blank", "/x/blank ") == "/x/blank "


def test_a_recorded_command_is_rewritten_word_by_word() -> None:
    """Each word is quoted again, because the new path may need other quotes."""
    relocation = Relocation((("/x/a b", "/y/it's"),))
    text = "command = /usr/bin/python -m cloche --python '/x/a b/python' '/x/a b'\n"
    rewritten = relocate_settings(text, relocation).removeprefix("command = ")
    assert shlex.split(rewritten)[-2:] == ["/y/it's/python", "/y/it's"]
    assert recorded_destination(rewritten.strip(), "") == "/y/it's"


def test_a_recorded_command_is_rewritten_for_another_interpreter() -> None:
    command = "/usr/bin/python -m cloche --python '/old one/python' --creator symlink /x/env"
    expected = "/usr/bin/python -m cloche --python /new/python --creator symlink /x/env"
    assert replace_interpreter(command, "/new/python") == expected
    assert (
        replace_interpreter("/usr/bin/python -m venv --python /x/env", "/new")
        == "/usr/bin/python -m venv --python /x/env"
    )


def test_a_moved_parent_directory_is_inferred() -> None:
    assert moved_parent("/x/a/.venv", "/x/b/.venv") == (("/x/a", "/x/b"),)
    assert moved_parent("/x/a/.venv", "/x/a/env") == ()
    assert moved_parent("/x/p/q/.venv", "/y/p/q/.venv") == (("/x", "/y"),)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20))
def test_the_search_text_occurs_in_every_notation(name: str) -> None:
    path = f"/work/{name}"
    for notation in (path, json.dumps(path), json.dumps(path, ensure_ascii=False), repr(path)):
        assert needle(path) in notation.encode("utf-8")


# Activation scripts

ASSIGNMENTS = {
    "bash": ["VIRTUAL_ENV={}", "export VIRTUAL_ENV={}", "# don't\nVIRTUAL_ENV={}"],
    "fish": ["set -gx VIRTUAL_ENV {}"],
    "tcsh": ["setenv VIRTUAL_ENV {}"],
}
SPELLINGS = {
    "bash": ["/old", "'/old'", '"/old"', "'/o'\"ld\"", "\\/old"],
    "fish": ["/old", "'/old'", '"/old"'],
    "tcsh": ["/old", "'/old'", '"/old"'],
}
PRINT_ROOT = {
    "bash": (["-c"], '{}\nprintf %s "$VIRTUAL_ENV"'),
    "fish": (["--no-config", "-c"], "{}\nprintf %s $VIRTUAL_ENV"),
    "tcsh": (["-f", "-c"], "{} ; printenv VIRTUAL_ENV"),
}


def find_shell(program: str) -> ShellFamily:
    shell = shell_of_program(program)
    assert shell is not None
    return shell


@pytest.mark.parametrize(
    ("program", "spelling"), [(program, word) for program in SPELLINGS for word in SPELLINGS[program]]
)
def test_the_root_in_a_script_is_read_and_rewritten_as_its_shell_quotes(program: str, spelling: str) -> None:
    new = '/it\'s "a" $HOME `b` \\ !c (é)'
    flags, template = PRINT_ROOT[program]
    executable, shell = require(program), find_shell(program)
    for line in ASSIGNMENTS[program]:
        text = line.format(spelling)
        assert roots_in_script(text, shell) == ["/old"]
        rewritten = rewrite_script(text, shell, lambda word: new if word == "/old" else word)
        environ = {"PATH": os.environ["PATH"], "HOME": "/dev/null/home", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [executable, *flags, template.format(rewritten)], capture_output=True, env=environ, check=False
        )
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
def test_the_root_is_read_from_scripts_of_other_tools(program: str, line: str, root: str) -> None:
    assert roots_in_script(line, find_shell(program)) == [root]


@pytest.mark.parametrize(
    ("line", "new", "expected"),
    [
        ('@set "VIRTUAL_ENV=C:\\old"', "C:\\new 100%", '@set "VIRTUAL_ENV=C:\\new 100%%"'),
        ("@set VIRTUAL_ENV=C:\\old\r\n", "C:\\a&b", "@set VIRTUAL_ENV=C:\\a^&b\r\n"),
        ('@set "VIRTUAL_ENV=C:\\old"', "C:\\a&b", '@set "VIRTUAL_ENV=C:\\old"'),
    ],
)
def test_a_batch_file_is_rewritten_only_if_the_result_reads_back(line: str, new: str, expected: str) -> None:
    """The batch quoter escapes with carets, which are ordinary characters between quotes."""
    assert rewrite_script(line, find_shell("cmd"), lambda word: new if word == "C:\\old" else word) == expected


def test_words_with_expansions_are_not_rewritten() -> None:
    text = 'PATH="$VIRTUAL_ENV/bin:$PATH"\nVIRTUAL_ENV=$(cygpath "$VIRTUAL_ENV")\nPS1="(`date`) /old"\n'
    assert rewrite_script(text, find_shell("bash"), lambda word: "changed" if "/old" in word else word) == text


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ("/new env", "let x = r#'/new env'#"),
        ("/a $b \\", 'let x = "/a $b \\\\"'),
        ("/it's \\", 'let x = "/it\'s \\\\"'),
    ],
)
def test_a_script_for_the_shell_of_a_missing_plugin_is_rewritten(new: str, expected: str) -> None:
    line = "let x = r#'/old'#"
    assert rewrite_script(line, find_shell("nu"), lambda word: new if word == "/old" else word) == expected


def test_a_path_that_was_replaced_is_not_replaced_again() -> None:
    """The new path can start with the old one and a character that ends a path component, such as an apostrophe."""
    relocation = Relocation((("/work/it", "/work/it's"),))
    assert relocation.string("/work/it's/bin and /work/it/bin") == "/work/it's/bin and /work/it's/bin"


def test_a_string_literal_keeps_its_quotes() -> None:
    source = 'A = "/work/old/x"; B = r\'/work/old\'; C = """/work/old\n"""\n'
    assert PLAIN.python(source) == source.replace("/work/old", "/work/new")
    assert QUOTED.python(f'A = "{OLD}"\n') == f"A = {NEW!r}\n"


def test_a_word_of_an_activation_script_keeps_its_quotes() -> None:
    shell = shell_of_program("bash")
    assert shell is not None
    line = "VIRTUAL_ENV=\"/work/old\"; export OTHER='/work/old/x' THIRD=/work/old\n"
    changed = rewrite_script(line, shell, lambda word: PLAIN.string(word))
    assert changed == line.replace("/work/old", "/work/new")
