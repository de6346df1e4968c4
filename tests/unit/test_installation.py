"""Test installing an image: its operations, scripts that start from any directory, and a correct RECORD."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloche.api import find
from cloche.apply import perform_operations
from cloche.errors import SeedError
from cloche.fs.windows_names import unusable_name
from cloche.model.distribution import EntryPoint
from cloche.model.operations import InstallTree, MakeDir, Write
from cloche.model.value import replace
from cloche.store import Store
from cloche.store.distributions import read_wheel
from cloche.store.images import find_or_build_image
from cloche.store.installation import image_operations, script_names, shebang_lines
from cloche.testing.fakes import fake_environment, fake_interpreter
from tests.distributions import host_with_home, make_wheel, record_hash, record_problems

if TYPE_CHECKING:
    from pathlib import Path

    from cloche.model.distribution import Image
    from cloche.model.environment import Environment
    from cloche.model.interpreter import Interpreter

PIP = "[console_scripts]\npip = pip._internal:main\npip3 = pip._internal:main\npip3.7 = pip._internal:main\n"


@pytest.fixture(scope="module")
def interpreter() -> Interpreter:
    """The base interpreter of the Python that runs the tests."""
    return find()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(host_with_home(tmp_path / "home"), str(tmp_path / "store"))


def build_image(wheel: Path, interpreter: Interpreter, store: Store) -> Image:
    return find_or_build_image(read_wheel(str(wheel)), interpreter, store)


def written_files(image: Image, environment: Environment) -> dict[str, bytes]:
    """Return the contents of the files that installing an image writes, by path."""
    operations = image_operations(image, environment)
    return {operation.path: operation.content for operation in operations if isinstance(operation, Write)}


def install_image(image: Image, environment: Environment) -> Path:
    """Install an image in a new environment; return the path of `site-packages`."""
    from pathlib import Path

    from cloche.apply.executor import StagingTree

    root = environment.location
    for directory in (environment.layout.bin, environment.layout.purelib):
        os.makedirs(os.path.join(root, directory))
    descriptor = os.open(root, os.O_RDONLY)
    try:
        perform_operations(image_operations(image, environment), StagingTree(root, descriptor), "auto")
    finally:
        os.close(descriptor)
    return Path(root, environment.layout.purelib)


def link_python(environment: Environment, interpreter: Interpreter) -> None:
    """Create the Python of an environment, a link to a real one."""
    os.symlink(interpreter.executable, os.path.join(environment.location, environment.layout.executable))


# Names of scripts


@pytest.mark.parametrize(
    ("declared", "version", "expected"),
    [
        (["pip", "pip3"], "3.12", ["pip", "pip3", "pip3.12"]),
        (["pip", "pip3", "pip3.7"], "3.12", ["pip", "pip3", "pip3.12"]),
        (["pip3.7", "pip3", "pip"], "3.6", ["pip", "pip3", "pip3.6"]),
        (["easy_install", "easy_install-3.6"], "3.8", ["easy_install", "easy_install-3.8"]),
        (["2to3", "python3-config", "f2py"], "3.12", ["2to3", "f2py", "python3-config"]),
        (["black", "blackd"], "3.12", ["black", "blackd"]),
        (["spam3"], "3.12", ["spam3"]),
        (["pip", "pip3", "pip3.7"], "", ["pip", "pip3", "pip3.7"]),
    ],
)
def test_versioned_scripts_get_the_version_of_the_target(
    declared: list[str], version: str, expected: list[str]
) -> None:
    points = tuple(EntryPoint(name, "module", "main") for name in declared)

    assert sorted(script_names(points, version)) == expected


def test_a_digit_after_the_name_of_another_script_is_not_a_version() -> None:
    points = (EntryPoint("spam", "spam", "main"), EntryPoint("spam2", "spam", "second"))

    assert script_names(points, "3.12") == {"spam": points[0], "spam2": points[1]}


# Shebangs


def test_a_path_that_fits_is_written_into_the_shebang() -> None:
    assert shebang_lines("/home/me/.venv/bin/python", "linux").startswith(b"#!/home/me/.venv/bin/python\n# -*- coding")
    assert shebang_lines("/home/mé/.venv/bin/python", "linux").startswith("#!/home/mé/.venv/bin/python\n".encode())


@pytest.mark.parametrize(("platform", "longest"), [("linux", 127), ("darwin", 512), ("freebsd14", 127), ("", 127)])
def test_a_shebang_is_not_longer_than_the_limit_of_the_platform(platform: str, longest: int) -> None:
    fits = "/" + "x" * (longest - 4)

    assert shebang_lines(fits, platform).split(b"\n")[0] == b"#!" + fits.encode()
    assert shebang_lines(f"{fits}x", platform).split(b"\n")[0] == b"#!/bin/sh"


HOSTILE = {
    "a space": "my env",
    "spaces around": " env ",
    "a tab": "a\tb",
    "a newline": "a\nb",
    "a newline at the end": "env\n",
    "a carriage return": "a\rb",
    "single quotes": "it's",
    "three single quotes": "a ''' b",
    "double quotes": 'say "env"',
    "three double quotes": 'a """ b',
    "quotes at the ends": '"env"',
    "a variable": "a $HOME b",
    "a command": "a $(touch planted) b",
    "backquotes": "a `touch planted` b",
    "dollars only": "$ $$ `$`",
    "backslashes": "a \\ b\\",
    "escapes": r"\x \N{ \u12 \U \d \' \" b",
    "a backslash before a quote": 'a \\" b',
    "history": "a !! b",
    "a percent": "a %s b",
    "a comment": "a #b",
    "a semicolon": "a; touch planted; b",
    "other letters": "環境 é",
    "not UTF-8": "a \udcff\udcfe b",
    "not UTF-8 and no space": "a\udcff",
    "long": "x" * 200,
    "long with spaces": "x y" * 70,
    "a slot": "__CLOCHE_ROOT__",
}


@pytest.mark.skipif(os.name == "nt", reason="the scripts are for POSIX")
@pytest.mark.parametrize("case", HOSTILE)
def test_scripts_start_from_any_directory(case: str, tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    program = (
        "import sys\n\n\ndef main():\n    print(sys.executable.encode('utf-8', 'surrogateescape'), *sys.argv[1:])\n"
    )
    files = {"spam.py": program, "spam-1.0.data/scripts/tool": "#!python\nimport spam\nspam.main()\n"}
    root = os.path.join(tmp_path, HOSTILE[case])
    environment = fake_environment(root, interpreter)
    try:
        os.makedirs(root)
    except OSError:
        pytest.skip("this file system does not support the name")
    site = install_image(build_image(make_wheel(tmp_path / "wheels", files=files), interpreter, store), environment)
    link_python(environment, interpreter)
    expected = repr(os.fsencode(environment.path_to(environment.layout.executable))).encode() + b" --an argument\n"
    empty = tmp_path / "empty"
    empty.mkdir()

    for name in ("spam", "tool"):
        script = os.path.join(root, environment.layout.bin, name)
        for command in ([script], [interpreter.executable, "-W", "error", script]):
            done = subprocess.run(
                [*command, "--an", "argument"],
                capture_output=True,
                env={**os.environ, "PYTHONPATH": str(site), "PYTHONIOENCODING": "utf-8"},
                cwd=empty,
                check=False,
            )
            assert done.stderr == b""
            assert done.returncode == 0
            if command == [script]:
                assert done.stdout == expected
    assert os.listdir(empty) == []
    assert record_problems(site, "spam-1.0.dist-info") == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=40))
def test_the_shebang_lines_for_any_path_are_valid_python(text: str) -> None:
    code = shebang_lines(f"/ {text}", "linux") + b"result = 1\n"
    found: dict[str, object] = {}

    exec(compile(code, "script", "exec", dont_inherit=True), found)

    assert found["result"] == 1


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.text(st.sampled_from("ab \t\n'\"$`\\!#;&|(){}[]*?~-é%"), min_size=1, max_size=20))
def test_the_shell_reads_any_path_correctly(text: str) -> None:
    code = shebang_lines(f"/ {text}", "linux").replace(b"exec ", b"exec printf %s ", 1).replace(b' "$0" "$@"', b"", 1)

    done = subprocess.run(["/bin/sh"], input=code, capture_output=True, check=True)

    assert done.stdout == f"/ {text}".encode()


def test_a_script_keeps_its_declared_encoding(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    text = "#!python\n# -*- coding: latin-1 -*-\nprint(ascii('é'))\n".encode("latin-1")
    wheel = make_wheel(tmp_path / "wheels", files={"spam-1.0.data/scripts/tool": text})
    image = build_image(wheel, interpreter, store)

    for root in (f"{tmp_path}/plain", f"{tmp_path}/with space"):
        script = written_files(image, fake_environment(root, interpreter))["bin/tool"]
        (tmp_path / "tool").write_bytes(script)
        done = subprocess.run([interpreter.executable, tmp_path / "tool"], capture_output=True, check=True)
        assert done.stdout == b"'\\xe9'\n"


def test_an_entry_point_may_be_a_nested_attribute(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    points = "[console_scripts]\nspam = spam.cli:Main.run [extra]\n"
    wheel = make_wheel(tmp_path / "wheels", entry_points=points)

    script = written_files(build_image(wheel, interpreter, store), fake_environment(tmp_path / "e", interpreter))[
        "bin/spam"
    ]

    assert b"from spam.cli import Main\n" in script
    assert b"sys.exit(Main.run())\n" in script


# RECORD


def test_every_installed_file_matches_its_record(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    data = "spam-1.0.data"
    files = {
        "spam/__init__.py": "def main(): pass\n",
        "spam/a, b.txt": "a comma",
        "spam/empty": "",
        f"{data}/scripts/tool": "#!python\n",
        f"{data}/scripts/run.sh": "#!/bin/sh\n",
        f"{data}/data/share/spam, too.txt": "shared",
        f"{data}/headers/spam.h": "int spam;",
        f"{data}/platlib/native.py": "",
    }
    environment = fake_environment(tmp_path / "env", interpreter)

    site = install_image(build_image(make_wheel(tmp_path / "wheels", files=files), interpreter, store), environment)

    assert record_problems(site, "spam-1.0.dist-info") == []
    rows = (site / "spam-1.0.dist-info" / "RECORD").read_text().splitlines()
    assert f"../../../bin/tool,{record_hash((tmp_path / 'env/bin/tool').read_bytes())}" in "\n".join(rows)
    assert "../../../share/spam" in "\n".join(rows)
    assert rows[-1] == "spam-1.0.dist-info/RECORD,,"
    assert len(rows) == len(set(rows))
    assert (tmp_path / "env/include/site" / f"python{interpreter.python_version}" / "spam/spam.h").is_file()
    assert os.access(tmp_path / "env/bin/run.sh", os.X_OK)


def test_the_metadata_of_a_platlib_distribution_is_in_platlib(
    tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    layout = replace(fake_environment("/e", interpreter).layout, purelib="lib/site", platlib="lib64/site")
    environment = fake_environment(tmp_path / "env", interpreter, layout=layout)
    image = build_image(make_wheel(tmp_path / "wheels", pure=False), interpreter, store)

    operations = image_operations(image, environment)
    [tree] = [operation for operation in operations if isinstance(operation, InstallTree)]

    assert tree.path == "lib64/site"
    assert (tree.files, tree.size) == (image.files, image.size)
    files = written_files(image, environment)
    assert b"../../bin/spam,sha256=" in files["lib64/site/spam-1.0.dist-info/RECORD"]


def test_purelib_files_of_a_platlib_distribution_are_listed_with_their_path(
    tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    files = {"native.py": "", "spam-1.0.data/purelib/pure.py": ""}
    layout = replace(fake_environment("/e", interpreter).layout, purelib="lib/site", platlib="lib64/site")
    environment = fake_environment(tmp_path / "env", interpreter, layout=layout)
    image = build_image(make_wheel(tmp_path / "wheels", files=files, pure=False), interpreter, store)

    record = written_files(image, environment)["lib64/site/spam-1.0.dist-info/RECORD"].decode()

    assert "\nnative.py," in f"\n{record}"
    assert "\n../../lib/site/pure.py," in f"\n{record}"


def test_the_same_image_and_destination_give_the_same_operations(
    tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    image = build_image(make_wheel(tmp_path / "wheels"), interpreter, store)
    environment = fake_environment(tmp_path / "env", interpreter)

    assert image_operations(image, environment) == image_operations(image, environment)


# Files of the environment


@pytest.mark.parametrize("name", ["data/bin/spam", "data/bin/SPAM", "scripts/spam"])
def test_a_wheel_must_not_contain_a_file_that_its_own_scripts_need(
    name: str, tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    wheel = make_wheel(tmp_path / "wheels", files={"spam.py": "", f"spam-1.0.data/{name}": "evil"})
    image = build_image(wheel, interpreter, store)

    with pytest.raises(SeedError, match="a file of the environment itself"):
        image_operations(image, fake_environment(tmp_path / "env", interpreter))


PROGRAMS = [
    *(
        "python",
        "Python",
        "PYTHON3",
        "python3.13",
        "python3.13t",
        "python3.13d",
        "pythonw",
        "python.exe",
        "PythonW.EXE",
    ),
    *("python.py", "python.com", "python.bat", "python-script.py", "python3.exe", "pypy3", "pypy3.10", "graalpy"),
    *("activate", "Activate", "activate.fish", "activate.ps1", "activate_this.py", "activate_this", "deactivate"),
    *("deactivate.bat", "activate.exe", "pydoc.bat", "pyvenv.cfg", "PYVENV.CFG", "python312._pth"),
]
OTHERS = [
    *("pydoc", "python-argcomplete", "pythonic", "ipython", "ipython3", "bpython", "activate-global", "reactivate"),
    *("python3-config", "py", "pip", "pypyr", "activated"),
]


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("tree", ["scripts", "data/bin", "data/Scripts"])
def test_a_wheel_must_not_replace_a_program_of_the_environment(name: str, tree: str, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={"spam.py": "", f"spam-1.0.data/{tree}/{name}": "evil"})
    with pytest.raises(SeedError, match="would replace a file of the environment itself"):
        read_wheel(str(wheel))


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("kind", ["console_scripts", "gui_scripts"])
def test_an_entry_point_must_not_replace_a_program_of_the_environment(name: str, kind: str, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, entry_points=f"[{kind}]\n{name} = spam:main\n")
    with pytest.raises(SeedError, match="would replace a program of the environment itself"):
        read_wheel(str(wheel))


@pytest.mark.parametrize(
    "name",
    [
        *("pyvenv.cfg", "PyVenv.cfg", ".gitignore", "CACHEDIR.TAG", ".lock"),
        *(".cloche-manifest", ".cloche-runtime", ".Cloche-Files"),
        *("pyvenv.cfg/x", "bin/python/x", "Scripts/activate/x"),
        *("bin", "lib", "Lib64", "Scripts", "include"),
        *(".cloche-0/journal", ".Cloche-12/new/x", ".git/config", ".HG/hgrc", "conda-meta/history"),
    ],
)
def test_a_wheel_must_not_replace_a_file_of_the_environment(name: str, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={"spam.py": "", f"spam-1.0.data/data/{name}": "evil"})
    with pytest.raises(SeedError, match="would replace a file of the environment itself"):
        read_wheel(str(wheel))


@pytest.mark.parametrize("name", OTHERS)
def test_other_names_are_allowed(name: str, tmp_path: Path) -> None:
    files = {"spam.py": "", f"spam-1.0.data/scripts/{name}-too": ""}
    wheel = make_wheel(tmp_path, files=files, entry_points=f"[console_scripts]\n{name} = spam:main\n")
    assert [point.name for point in read_wheel(str(wheel)).entry_points] == [name]


# Windows


@pytest.fixture
def windows() -> Environment:
    return fake_environment("C:\\Users\\me\\my env", fake_interpreter("cpython-3.12-windows"))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("spam/nul.py", "nul.py"),
        ("AUX/spam.py", "AUX"),
        ("spam/Com1 .tar.gz", "Com1 .tar.gz"),
        ("spam/conin$", "conin$"),
        ("spam/what?.txt", "what?.txt"),
        ("spam-1.0.data/scripts/lpt9", "lpt9"),
        ("con = spam:main", "con.exe"),
    ],
)
def test_a_name_that_windows_reserves_is_refused_for_windows_only(
    tmp_path: Path, interpreter: Interpreter, store: Store, windows: Environment, name: str, part: str
) -> None:
    is_script = " = " in name
    files = {"spam.py": "", **({} if is_script else {name: "text"})}
    entry_points = f"[console_scripts]\n{name}\n" if is_script else ""
    wheel = make_wheel(tmp_path, files=files, entry_points=entry_points)
    image = find_or_build_image(read_wheel(str(wheel)), interpreter, store)

    with pytest.raises(SeedError, match=re.escape(f"no file can be named `{part}` on Windows")):
        image_operations(image, windows)
    assert image_operations(image, fake_environment("/env", fake_interpreter("cpython-3.12-linux")))


@pytest.mark.parametrize("name", ["spam/console.py", "spam/com.py", "spam/com10", "spam/a nul", "spam/.con"])
def test_other_names_are_allowed_on_windows(name: str) -> None:
    assert unusable_name(name) == ""


def test_on_windows_scripts_are_launchers_with_an_appended_archive(
    tmp_path: Path, interpreter: Interpreter, store: Store, windows: Environment
) -> None:
    points = "[console_scripts]\nspam = spam:main\n[gui_scripts]\nspamw = spam:main\n"
    files = {"spam.py": "", "spam-1.0.data/scripts/tool.py": "#!python\nprint('tool')\n"}
    image = build_image(make_wheel(tmp_path / "wheels", files=files, entry_points=points), interpreter, store)

    found = written_files(image, windows)

    site = windows.layout.purelib
    assert sorted(found) == [
        "Lib/site-packages/spam-1.0.dist-info/RECORD",
        *(f"Scripts/{name}.exe" for name in ("spam", "spamw", "tool")),
    ]
    spam, gui, tool = (found[f"Scripts/{name}.exe"] for name in ("spam", "spamw", "tool"))
    for content in (spam, gui, tool):
        assert content.startswith(b"MZ")
    assert b'#!"C:\\Users\\me\\my env\\Scripts\\python.exe"\r\n' in spam
    assert b'#!"C:\\Users\\me\\my env\\Scripts\\pythonw.exe"\r\n' in gui
    with zipfile.ZipFile(io.BytesIO(spam)) as archive:
        assert b"from spam import main" in archive.read("__main__.py")
    with zipfile.ZipFile(io.BytesIO(tool)) as archive:
        assert archive.read("__main__.py") == b"print('tool')\n"
    record = found[f"{site}/spam-1.0.dist-info/RECORD"].decode()
    assert f"../../Scripts/spam.exe,{record_hash(spam)},{len(spam)}\n" in record
    assert found == written_files(image, windows)


def test_python_can_run_a_launcher(
    tmp_path: Path, interpreter: Interpreter, store: Store, windows: Environment
) -> None:
    image = build_image(make_wheel(tmp_path / "wheels"), interpreter, store)
    (tmp_path / "spam.exe").write_bytes(written_files(image, windows)["Scripts/spam.exe"])
    (tmp_path / "spam.py").write_text("import sys\ndef main():\n    print(sys.argv)\n")

    done = subprocess.run(
        [interpreter.executable, str(tmp_path / "spam.exe"), "x"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
    )

    assert done.stdout == f"['{tmp_path}/spam', 'x']\n", "argparse shows the name without its suffix"


@pytest.mark.parametrize(
    ("machine", "bits", "size"),
    [("AMD64", 64, "t64.exe"), ("x86", 32, "t32.exe"), ("AMD64", 32, "t32.exe"), ("ARM64", 64, "t64-arm.exe")],
)
def test_the_launcher_matches_the_machine(
    machine: str, bits: int, size: str, tmp_path: Path, interpreter: Interpreter, store: Store
) -> None:
    import pkgutil

    target = fake_interpreter("cpython-3.12-windows", machine=machine, bits=bits)
    image = build_image(make_wheel(tmp_path / "wheels"), interpreter, store)

    found = written_files(image, fake_environment("C:\\e", target))["Scripts/spam.exe"]

    assert found.startswith(pkgutil.get_data("distlib", size) or b"?")
    assert b"#!C:\\e\\Scripts\\python.exe\r\n" in found


def test_the_directories_of_headers_are_created(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    image = build_image(make_wheel(tmp_path / "w", files={"spam-1.0.data/headers/spam.h": ""}), interpreter, store)

    environment = fake_environment("/e")
    operations = image_operations(image, environment)
    directories = [operation.path for operation in operations if isinstance(operation, MakeDir)]

    assert directories == ["include", "include/site", "include/site/python3.12", "include/site/python3.12/spam"]


def test_an_image_that_vanished_is_an_os_error(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    image = build_image(make_wheel(tmp_path / "wheels"), interpreter, store)
    shutil.rmtree(image.root)

    with pytest.raises(OSError, match=r"spam-1\.0"):
        image_operations(image, fake_environment(tmp_path / "env", interpreter))


def test_installing_imports_no_module_that_a_warm_run_does_not_import() -> None:
    program = "import sys; before = set(sys.modules); import cloche.store.installation, cloche.store.check; "
    program += "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert set(done.stdout.split()) <= {"cloche", "_sha2", "_sha256", "__future__", "errno", "fcntl"}
