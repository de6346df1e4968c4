"""Test what the reports of commands say: counts instead of long lines, the truth about paths, and levels of detail."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

import cloche as api
from cloche.apply import write_error
from cloche.cli import dispatch
from cloche.cli.create import old_pip_in, result_line
from cloche.cli.plan_text import package_lines
from cloche.cli.report import one_line, print_error, summarize
from cloche.errors import ClocheError
from cloche.model.plan import EnvironmentSpec, Wanted
from cloche.testing.fakes import fake_interpreter
from tests.run import Cloche, clean_environ
from tests.tools import require

if TYPE_CHECKING:
    from pathlib import Path

    from cloche.model.plan import Plan


@pytest.fixture
def cloche(tmp_path: Path) -> Cloche:
    (tmp_path / "work").mkdir()
    return Cloche(tmp_path / "work", clean_environ(tmp_path / "home", tmp_path / "cache"))


def test_many_packages_are_counted_unless_details_are_requested() -> None:
    few, many = ["pip 26.3", "wheel 1"], [f"package-{number} 1.0" for number in range(48)]

    assert summarize([], 0) == ""
    assert summarize(few, 0) == "pip 26.3, wheel 1"
    assert summarize(many, 0) == "48 packages (`-v` lists them)"
    assert summarize(many, 1) == ", ".join(many)


def test_the_result_of_a_run_with_many_packages_is_a_short_line(tmp_path: Path) -> None:
    result = api.create_with_result(tmp_path / "venv")
    [image] = result.plan.images
    plan = type(result.plan)(**{**fields_of(result.plan), "images": (image,) * 48})
    long = type(result)(result.environment, plan, 0.0)
    host = api.Host({}, str(tmp_path), sys.platform, os.name, sys.executable)

    assert "48 packages" in result_line(long, host, 1.0, "")
    assert len(result_line(long, host, 1.0, "")) < 200
    assert ", 48 packages, " in result_line(long, host, 1.0, "", 1)
    assert package_lines(long.plan) == [f"  + pip {image.version}"] * 48


@pytest.mark.parametrize(
    ("python", "pip", "wanted", "is_old"),
    [
        ((3, 12), "23.0.1", Wanted(), True),
        ((3, 12), "24.3.1", Wanted(), True),
        ((3, 12), "25.0", Wanted(), False),
        ((3, 12), "26.0.1", Wanted(), False),
        ((3, 6), "18.1", Wanted(), True),
        ((3, 6), "21.3.1", Wanted(), False),
        ((3, 7), "24.0", Wanted(), False),
        ((3, 8), "25.0.1", Wanted(), False),
        ((3, 12), "23.0.1", Wanted(network="never"), False),
        ((3, 12), "23.0.1", Wanted(network="newest"), False),
        ((3, 12), "23.0.1", Wanted(("pip==23.0.1",)), False),
        ((3, 12), "23.0.1", Wanted(find_links=("/wheels",)), False),
        ((3, 12), "23.0.1", None, False),
    ],
)
def test_an_old_pip_that_was_not_chosen_is_reported(
    python: tuple[int, int], pip: str, wanted: Wanted | None, is_old: bool
) -> None:
    interpreter = fake_interpreter(version=(*python, 1, "final", 0))
    image = SimpleNamespace(distribution="pip", version=pip)
    plan = SimpleNamespace(environment=SimpleNamespace(interpreter=interpreter), new_images=[image])

    assert old_pip_in(cast("Plan", plan), EnvironmentSpec(wanted=wanted), 2026) == (pip if is_old else "")


def test_an_old_pip_is_reported_in_a_line_of_its_own(cloche: Cloche) -> None:
    main = (
        "import sys; from cloche.cli import create; create.SUPPORTED_UNTIL = 2090; "
        "create.gmtime = lambda: type('Day', (), {'tm_year': 2099}); "
        "from cloche.__main__ import main; sys.exit(main())"
    )
    words = [sys.executable, "-c", main, "./env", "-p", sys.executable]
    done = subprocess.run(words, cwd=cloche.cwd, env=cloche.environ, capture_output=True, text=True, check=True)

    first, second = done.stdout.splitlines()
    assert "--download" not in first
    assert second.startswith("  pip ")
    assert second.endswith(" is the newest on this machine; `--download` gets the latest release")


def fields_of(item: object) -> dict[str, object]:
    return {name: getattr(item, name) for name in type(item).__match_args__}


def test_quiet_prints_less_and_twice_only_errors(cloche: Cloche) -> None:
    warned = {"CLOCHE_FROB": "1"}
    assert cloche("./a", "--no-seed", **warned).out.startswith("created a")
    assert cloche("./a", "--no-seed", "-q", **warned)[:2] == (0, "")
    assert "CLOCHE_FROB" in cloche("./a", "--no-seed", "-q", **warned).err
    assert cloche("./a", "--no-seed", "-qq", **warned) == (0, "", "")
    assert cloche("info", "nowhere", "-qq", **warned).err.startswith("cloche: error: ")


def test_every_command_prints_its_warnings_before_its_result(cloche: Cloche) -> None:
    assert cloche("./env").code == 0
    pack = ["pack", "env", "-o", "env.tar.gz", "--force"]
    commands = [["other"], ["pythons"], ["info", "env"], ["doctor", "env"], ["verify", "env"], ["upgrade", "env"]]
    more = [
        ["upgrade", "--find", "."],
        ["move", "--copy", "env", "copied"],
        ["activate", "env"],
        pack,
        ["cache", "dir"],
    ]
    for argv in commands + more:
        done = subprocess.run(
            [sys.executable, "-m", "cloche", *argv],
            cwd=cloche.cwd,
            env={**cloche.environ, "CLOCHE_FROBNICATE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        first, second, *_ = done.stdout.splitlines()
        assert first == "cloche: warning: unknown variable `CLOCHE_FROBNICATE`", (argv, done.stdout)
        assert done.stdout.count(first) == 1
        assert second, argv


def test_a_list_of_interpreters_without_the_requested_one_has_a_warning(cloche: Cloche) -> None:
    """The list is what was asked for; only `cloche DEST` would fail."""
    (cloche.cwd / ".python-version").write_text("3.99\n")

    for argv in (["pythons"], ["pythons", "--all"]):
        done = cloche(*argv)
        assert (done.code, "cloche: warning: no interpreter satisfies `3.99`" in done.err) == (0, True)
        assert "error" not in done.err
    done = cloche("pythons", "3.99", "--all")
    assert (done.code, done.err.startswith("cloche: error: no interpreter satisfies `3.99`")) == (3, True)


def test_info_lists_what_any_seeder_installed_and_every_activation_script(cloche: Cloche) -> None:
    root = cloche.cwd / "venv"
    environment = api.create(root, seeds=None)
    metadata = root / environment.layout.purelib / "acme-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (metadata / "INSTALLER").write_text("cloche\n")
    (root / "bin" / "activate.acme").touch()
    (root / "bin" / "vector.acme").touch()
    with (root / ".cloche-manifest").open("a") as manifest:
        manifest.write(f"{'0' * 64}  bin/vector.acme\n")
    (root / "bin" / "other").touch()

    done = cloche("info", root)

    assert "seeds:        acme 1.0\n" in done.out
    listed = next(line for line in done.out.splitlines() if line.startswith("activate:"))
    assert {"activate.acme", "vector.acme", "activate.fish"} <= set(listed.replace(",", " ").split())
    assert "other" not in listed


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs another user")
def test_what_permissions_hide_is_not_called_missing(cloche: Cloche, tmp_path: Path) -> None:
    """Without its capabilities, root cannot read the directory of another user, but still runs its own Python."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o700)
    os.chown(locked, 65534, -1)
    env = tmp_path / "env"
    (env / "bin").mkdir(parents=True)
    (env / "pyvenv.cfg").write_text(f"home = {locked}/bin\nversion = 3.12.1\n")
    (env / "bin" / "python").symlink_to(locked / "bin" / "python3.12")
    for argv in (
        ["info", f"{locked}/venv"],
        ["./e", "-p", f"{locked}/python"],
        ["pythons", f"{locked}/python"],
        ["doctor", str(env)],
        ["verify", str(env)],
    ):
        command = [require("setpriv"), "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-m", "cloche", *argv]
        done = subprocess.run(command, cwd="/", env=cloche.environ, capture_output=True, text=True, check=False)
        assert "cannot be read: permission denied" in done.stdout + done.stderr, done
        assert "does not exist" not in done.stderr
        assert "no longer exists" not in done.stdout
        assert "which does not exist" not in done.stdout


def test_a_message_that_quotes_a_damaged_file_is_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(ClocheError(f"`{'x' * 10_000_000}` is not a version", hint="correct the line"))

    message, hint = capsys.readouterr().err.splitlines()
    assert len(message) < 5000
    assert message.startswith("cloche: error: `xx")
    assert message.endswith("xx` is not a version")
    assert hint == "hint: correct the line"


def test_a_lack_of_memory_is_one_line(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(dispatch, "dispatch", fail)

    assert dispatch.run_command(["info"], 0.0) == 1
    assert capfd.readouterr().err.startswith("cloche: error: not enough memory\nhint: ")


@pytest.mark.parametrize("name", ["a\nb", "a\rb"])
def test_a_move_to_a_path_with_a_line_break_is_refused_before_anything_is_staged(cloche: Cloche, name: str) -> None:
    assert cloche("./venv", "--no-seed").code == 0

    done = cloche("move", "--dry-run", "./venv", name)

    assert done.code == 4
    assert "contains a line break" in done.err


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EACCES, "permissions"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "disk"),
        (errno.EFBIG, "ulimit -f"),
    ],
)
def test_the_hint_after_a_failed_system_call_fits_its_cause(number: int, remedy: str) -> None:
    error = write_error("/there", OSError(number, os.strerror(number)))

    assert error.hint is not None
    assert error.hint.startswith("nothing was changed; ")
    assert remedy in error.hint


def test_the_recorded_command_has_every_option_that_decided(cloche: Cloche) -> None:
    assert cloche("./venv", "--seeder", "pip", "--link-mode", "copy").code == 0

    config = (cloche.cwd / "venv" / "pyvenv.cfg").read_text()
    command = next(line for line in config.splitlines() if line.startswith("command = "))
    assert " --seeder pip --link-mode copy " in command
    assert cloche("./plain").code == 0
    assert "--seeder" not in (cloche.cwd / "plain" / "pyvenv.cfg").read_text()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("caf\udce9", r"caf\xe9"),
        ("a\nb", r"a\nb"),
        ("a\x1b[31m", r"a\x1b[31m"),
        ("a\ud800", r"a\ud800"),
        ("é \\", "é \\"),
    ],
)
def test_untrusted_text_is_printed_on_one_line(text: str, shown: str) -> None:
    """A byte of a path that is not UTF-8 is shown as in the JSON of `--json`, not as Python represents it."""
    assert one_line(text) == shown
