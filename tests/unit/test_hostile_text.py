"""Test untrusted text in files, variables and wheels: it is accepted, or rejected with a printable one-line message."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import stat
import sys
import warnings
import zipfile
from typing import TYPE_CHECKING

from hypothesis import assume, example, given
from hypothesis import strategies as st

from cloche.cli import report
from cloche.cli.commands import COMMANDS
from cloche.cli.create import build_request
from cloche.cli.parser import options_of, parse_arguments
from cloche.cli.precedence import resolve_settings
from cloche.cli.settings import Settings, read_sources
from cloche.discovery import base_interpreter, probe
from cloche.discovery.build_details import read_build_details
from cloche.discovery.cache import ProbeCache, executable_fingerprint
from cloche.discovery.project import find_project_request, requires_python
from cloche.errors import ClocheError, SeedError, UsageError
from cloche.model.interpreter import Host
from cloche.model.plan import Request
from cloche.model.spec import IMPLEMENTATIONS, MACHINES, InterpreterSpec
from cloche.plugins.entry_points import find_sources
from cloche.plugins.registry import load_sources
from cloche.store.contents import verify_contents
from cloche.store.distributions import read_wheel

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

OPTIONS = sorted(option.name for option in options_of(COMMANDS["create"]))

ANYTHING = st.text(max_size=30) | st.text("\0\x1b[]\r\n\t'\"\\=#.,:;/-_ é\u2028\ud800", max_size=12)
EXPRESSIBLE = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=30)
"""Text that an environment variable can hold."""
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ANYTHING
DATA = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANYTHING, inner, max_size=3))


def is_printable(text: str) -> bool:
    """Return whether a text has no control characters, which could change the terminal."""
    return all(character.isprintable() for character in text)


# Requests for an interpreter


@given(
    implementation=st.sampled_from(["", "python", "any", *IMPLEMENTATIONS]),
    at=st.sampled_from(["", "@"]),
    release=st.tuples(st.just(3), st.integers(0, 30), st.integers(0, 99)) | st.tuples(st.just(3), st.integers(0, 30)),
    threads=st.booleans(),
    debug=st.booleans(),
    bits=st.sampled_from([None, 32, 64]),
    machine=st.sampled_from([None, *MACHINES]),
)
def test_a_request_is_parsed_into_the_parts_that_it_was_built_from(
    implementation: str,
    at: str,
    release: tuple[int, ...],
    threads: bool,
    debug: bool,
    bits: int | None,
    machine: str | None,
) -> None:
    text = implementation + (at if implementation else "") + ".".join(map(str, release))
    text += "t" * threads + "d" * debug + (f"-{bits}" if bits else "") + (f"-{machine}" if machine else "")

    spec = InterpreterSpec.parse(text)

    assert (spec.release, spec.implementation) == (release, IMPLEMENTATIONS.get(implementation))
    assert (bool(spec.free_threaded), bool(spec.debug), spec.bits, spec.machine) == (threads, debug, bits, machine)
    assert InterpreterSpec.parse(spec.text) == spec
    assert InterpreterSpec.parse(f" {text.upper()} ").release == release


# Settings


def toml_key(key: str) -> str:
    return json.dumps(key.encode("utf-8", "ignore").decode())


def settings_of_create(host: Host) -> Settings:
    """:raises UsageError: one of them has a wrong value."""
    settings = resolve_settings(parse_arguments(["env"]), read_sources(host))
    settings.check()
    return settings


@given(
    variables=st.dictionaries(st.sampled_from(OPTIONS) | ANYTHING, EXPRESSIBLE, max_size=4),
    table=st.dictionaries(st.sampled_from(OPTIONS) | ANYTHING, SCALARS | st.lists(SCALARS, max_size=3), max_size=4),
)
@example(variables={"\x1b]0;title\7": "1"}, table={"\x1b[31m\n": 1, "prompt": "\x1b[0m"})
def test_settings_are_accepted_or_rejected_with_a_printable_message(
    variables: dict[str, str], table: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = []
    for key, given_value in table.items():
        try:
            written = json.dumps(given_value, allow_nan=False).replace("null", '""').replace("\\ud800", "")
        except ValueError:
            continue
        lines.append(f"{toml_key(key)} = {written}")
    (tmp_path / "pyproject.toml").write_text("\n".join(["[tool.cloche]", *lines]), encoding="utf-8", errors="ignore")
    environ = {f"CLOCHE_{key.upper().replace('-', '_')}": text for key, text in variables.items()}
    environ["CLOCHE_CONFIG_FILE"] = str(tmp_path / "none")
    host = Host(environ, str(tmp_path), "linux", "posix", sys.executable)

    try:
        settings = settings_of_create(host)
        request = build_request("env", settings, host)
    except ClocheError as error:
        report.print_error(error)
    else:
        report.print_warnings(settings.warnings)
        assert isinstance(request, Request)

    assert all(map(is_printable, capsys.readouterr().err.split("\n")))


@given(content=st.binary(max_size=200) | st.text("[]{}\"'=.#\\\n ab1-:", max_size=60).map(str.encode))
@example(content=b"x = " + b"[" * 10_000)
@example(content=b"x = " + b"1" * 10_000)
@example(content=b'"a' + b'\x1b"=')
def test_any_config_file_is_read_or_ignored_with_a_one_line_warning(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.toml").write_bytes(content)
    (tmp_path / "pyproject.toml").write_bytes(b"[tool.cloche]\n" + content)
    host = Host({"CLOCHE_CONFIG_FILE": str(tmp_path / "config.toml")}, str(tmp_path), "linux", "posix", "")

    try:
        report.print_warnings(settings_of_create(host).warnings)
    except UsageError as error:
        report.print_error(error)

    assert all(map(is_printable, capsys.readouterr().err.split("\n")))


@given(content=st.binary(max_size=200) | st.text("[project]requires-python=\"'>=3.\\\n#", max_size=80).map(str.encode))
@example(content=b"requires-python = " + b"[" * 10_000)
def test_any_project_file_requests_something_or_nothing(content: bytes, tmp_path: Path) -> None:
    for name in (".python-version", "pyproject.toml"):
        (tmp_path / name).write_bytes(content)
    host = Host({"HOME": str(tmp_path)}, str(tmp_path), "linux", "posix", sys.executable)

    requested, because = find_project_request(host)

    assert all(InterpreterSpec.parse(text) for text in requested)
    assert because or not requested
    requires_python(content.decode("utf-8", "replace"))


# Interpreters and environments


@given(content=st.binary(max_size=200) | st.text("home=/\\.\n \0python-ver", max_size=80).map(str.encode))
@example(content=b"home = /usr/bin\0")
@example(content=b"home = /usr/bin\nexecutable = \0\nversion = 3.")
def test_any_pyvenv_cfg_leads_to_a_base_or_an_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "bin" / "python").touch()
    (tmp_path / "pyvenv.cfg").write_bytes(content)

    found, problem = "", ""
    try:
        found = base_interpreter.resolve_base(str(tmp_path / "bin" / "python"))
    except LookupError as error:
        problem = str(error)
    assert os.path.isfile(found) or problem.startswith("belongs to an environment whose base")


@given(answer=DATA)
@example(answer={"kind": "too-old", "version": [float("inf"), 2, 3]})
def test_any_answer_of_a_probe_is_an_interpreter_or_a_reason(answer: object) -> None:
    result = probe.parse_probe_output(json.dumps(answer).encode())
    assert result.reason
    assert is_printable(result.reason)


@given(details=DATA, number=SCALARS)
@example(details=None, number=float("inf"))
def test_any_build_details_are_parsed_or_ignored(details: object, number: object, tmp_path: Path) -> None:
    executable = tmp_path / "bin" / "python3.14"
    executable.parent.mkdir(exist_ok=True)
    executable.touch()
    path = tmp_path / "lib" / "python3.14"
    path.mkdir(parents=True, exist_ok=True)
    version = {"major": number, "minor": 14, "micro": 0, "releaselevel": "final", "serial": 0}
    base = {"base_interpreter": "../../bin/python3.14", "implementation": {"name": "cpython", "version": version}}
    for content in (details, base, {**base, "abi": details}):
        (path / "build-details.json").write_text(json.dumps(content))
        found = read_build_details(str(executable))
        if found is not None:
            assert [type(part) for part in found.version] == [int, int, int, str, int]
            assert type(found.implementation) is str
            assert {type(found.free_threaded), type(found.debug)} == {bool}


@given(content=st.binary(max_size=300))
def test_random_bytes_in_a_cache_entry_are_ignored(content: bytes, tmp_path: Path) -> None:
    cache = ProbeCache(str(tmp_path / "answers"))
    cache.put(sys.executable, probe.too_old_result("2.7.18"), executable_fingerprint(sys.executable))
    (entry,) = (tmp_path / "answers").iterdir()
    entry_content = entry.read_bytes()
    for damaged in (content, content + entry_content, entry_content + content, entry_content[: len(content)] + content):
        entry.write_bytes(damaged)
        assert damaged == entry_content or cache.get(sys.executable) is None


# Plugins


@given(text=st.binary(max_size=80) | st.text("[cloche]\n=:.ab c[x]#;\0", max_size=80).map(str.encode), name=ANYTHING)
@example(text=b"[cloche]\nx=\n", name="a")
@example(text=b"[cloche]\n=a.b:c\n\x1b[31m=\x1b[31m\n..=..:..\n", name="a")
def test_any_entry_points_are_loaded_or_reported_as_broken(text: bytes, name: str, tmp_path: Path) -> None:
    site = tmp_path / "site"
    directory = site / f"{''.join(filter(str.isalnum, name)) or 'x'}-1.0.dist-info"
    try:
        directory.mkdir(parents=True)
    except (OSError, UnicodeEncodeError):
        assume(directory.is_dir())
    (directory / "entry_points.txt").write_bytes(b"[cloche]\n" + text)

    sources = find_sources([str(site)])
    registry = load_sources(sources)

    assert len(registry.reports) == len(sources)
    assert all(plugin.status != "loaded" or plugin.provides == () for plugin in registry.reports)
    assert all(is_printable(report.one_line(line)) for line in registry.warnings)
    for path in directory.iterdir():
        path.unlink()
    directory.rmdir()


# Wheels

PIECES = st.sampled_from(
    [
        "..",
        ".",
        "",
        "/",
        "a",
        "A",
        "b.py",
        "spam",
        "C:",
        "\\",
        "é",
        "e\u0301",
        "con",
        "a.",
        "a ",
        "x:y",
        "\0",
        "\n",
        "~",
    ]
)
PATHS = st.lists(PIECES, min_size=1, max_size=4).map("/".join) | ANYTHING
KINDS = st.sampled_from(
    [0, stat.S_IFREG, stat.S_IFREG | 0o4755, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR, stat.S_IFCHR]
)
METADATA = "Metadata-Version: 2.1\nName: spam\nVersion: 1.0\n"
ABOUT = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def wheel_of(path: Path, members: list[tuple[str, int]], listed: list[str], texts: dict[str, str]) -> str:
    """Write a wheel and return its path.

    :param members: name and file type of the members that are not metadata.
    :param listed: their names in RECORD.
    :param texts: the metadata files by name.
    """
    content = b"content"
    digest = "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerows([name, digest, len(content)] for name in listed)
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, kind in members:
            info = zipfile.ZipInfo("placeholder")
            info.filename = info.orig_filename = name
            info.external_attr = kind << 16
            archive.writestr(info, content)
        for name, text in texts.items():
            written = text.encode("utf-8", "replace")
            archive.writestr(f"spam-1.0.dist-info/{name}", written)
            digest = "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(written).digest()).decode().rstrip("=")
            writer.writerow([f"spam-1.0.dist-info/{name}", digest, len(written)])
        writer.writerow(["spam-1.0.dist-info/RECORD", "", ""])
        archive.writestr("spam-1.0.dist-info/RECORD", rows.getvalue().encode("utf-8", "replace"))
    return str(path)


@given(members=st.lists(st.tuples(PATHS, KINDS), max_size=4), others=st.lists(PATHS, max_size=1))
@example(members=[("../planted.py", 0)], others=[])
@example(members=[("spam.py", 0), ("SPAM.py", 0)], others=[])
@example(members=[("spam.py", stat.S_IFLNK)], others=[])
@example(members=[("spam.py", 0), ("spam.py", 0)], others=[])
def test_any_wheel_is_rejected_in_one_line_or_stays_in_its_directory(
    members: list[tuple[str, int]], others: list[str], tmp_path: Path
) -> None:
    listed = [*dict.fromkeys(name for name, _ in members), *others]
    try:
        path = wheel_of(tmp_path / "spam.whl", members, listed, {"METADATA": METADATA, "WHEEL": ABOUT})
    except (UnicodeEncodeError, ValueError, csv.Error):
        assume(False)  # `zipfile` or `csv` cannot write it

    try:
        distribution = read_wheel(path)
        verify_contents(distribution)
        files, refusal = distribution.files, ""
    except SeedError as error:
        files, refusal = (), error.message
    assert is_printable(refusal)

    paths = [f"{file.tree}/{file.path}" for file in files]
    assert len({path.casefold() for path in paths}) == len(paths)
    for path in paths:
        assert os.path.normpath(path) == path
        assert not path.startswith(("..", "/"))
        assert not set(path) & set("\\:\0\n\r")
    assert refusal or all(stat.S_IFMT(kind) in (0, stat.S_IFREG, stat.S_IFDIR) for _, kind in members)


@given(
    name=st.sampled_from(["METADATA", "WHEEL", "entry_points.txt", "RECORD"]),
    text=ANYTHING | st.text("[console_scripts]\n=:.,a1\"'\\/ -NameVrsion", max_size=80),
    keep=st.booleans(),
)
@example(name="entry_points.txt", text="[console_scripts]\n../x = a:b", keep=False)
@example(name="METADATA", text="Name: ../x\nVersion: 1.0", keep=False)
def test_any_metadata_is_rejected_in_one_line_or_is_valid(name: str, text: str, keep: bool, tmp_path: Path) -> None:
    texts = {"METADATA": METADATA, "WHEEL": ABOUT}
    texts[name] = (texts.get(name, "") if keep else "") + text
    path = wheel_of(tmp_path / "spam.whl", [("spam.py", 0)], ["spam.py"], texts)

    try:
        distribution = read_wheel(path)
    except SeedError as error:
        distribution, refusal = None, error.message
    else:
        refusal = ""

    assert is_printable(refusal)
    assert distribution is None or (distribution.name, distribution.version) == ("spam", "1.0")
    for point in distribution.entry_points if distribution else ():
        assert os.path.basename(point.name) == point.name
        assert f"{point.module}.{point.attribute}".replace(".", "").isidentifier()
