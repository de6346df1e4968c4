"""Test the processes that compile for all images of a run: how many there are, how they fail, and that they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from cloche.api import find
from cloche.errors import SeedError
from cloche.model.value import replace
from cloche.store import Store, bytecode, compiling
from cloche.store.bytecode import Compiler, bytecode_path
from cloche.store.distributions import read_wheel
from cloche.store.images import find_or_build_image
from cloche.store.images.verification import verify_image
from tests.distributions import host_with_home, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cloche.model.interpreter import Interpreter

SOURCE = "def f(x):\n    return x in {'spam', 'eggs', None}\n"

unix_only = pytest.mark.skipif(os.name == "nt", reason="the interpreter is wrapped in a shell script")


@pytest.fixture(scope="module")
def interpreter() -> Interpreter:
    return find()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(host_with_home(tmp_path / "home"), str(tmp_path / "store")) as store:
        yield store


@pytest.fixture
def wrapped(tmp_path: Path, interpreter: Interpreter) -> Callable[[str], Interpreter]:
    """A function that returns an interpreter which records its process id in `pids` and then runs a shell command."""

    def wrap(command: str = 'exec "$real" "$@"') -> Interpreter:
        program = tmp_path / "python"
        program.write_text(f'#!/bin/sh\necho $$ >> "{tmp_path}/pids"\nreal="{interpreter.executable}"\n{command}\n')
        program.chmod(0o755)
        return replace(interpreter, executable=str(program))

    return wrap


def pids(directory: Path) -> list[int]:
    """Return the process ids of the interpreters that were started."""
    path = directory / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def is_running(pid: int) -> bool:
    """Return whether a process exists, even as a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def is_zombie(pid: int) -> bool:
    """Return whether a process has ended, and its parent, such as the first process of a container, does not know yet."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wheel(directory: Path, name: str, modules: int = 3) -> str:
    files = {f"{name}/m{number}.py": f"name = {name!r}\n{SOURCE}" for number in range(modules)}
    return str(make_wheel(directory / "wheels", name, files=files))


@unix_only
def test_all_images_share_a_process_for_each_processor(
    tmp_path: Path, wrapped: Callable[[], Interpreter], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "available_processors", lambda: 2)
    monkeypatch.setattr(compiling, "WORTH_A_PROCESS", 1)
    python = wrapped()
    distributions = [read_wheel(wheel(tmp_path, f"spam{number}")) for number in range(20)]
    with ThreadPoolExecutor(4) as threads:
        built = list(
            threads.map(
                lambda distribution: find_or_build_image(distribution, python, store, policy="now"), distributions
            )
        )

    assert 1 <= len(pids(tmp_path)) <= 2
    assert {image.bytecode for image in built} == {"complete"}
    assert [problem for image in built for problem in verify_image(image.root)] == []


@unix_only
def test_small_images_share_one_process(tmp_path: Path, wrapped: Callable[[], Interpreter], store: Store) -> None:
    python = wrapped()
    for number in range(3):
        find_or_build_image(read_wheel(wheel(tmp_path, f"spam{number}")), python, store, policy="now")

    assert len(pids(tmp_path)) == 1


@unix_only
def test_a_large_image_is_compiled_by_several_processes(
    tmp_path: Path, wrapped: Callable[[], Interpreter], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "available_processors", lambda: 3)
    monkeypatch.setattr(compiling, "WORTH_A_PROCESS", 1)
    monkeypatch.setattr(bytecode, "WORTH_A_BATCH", 1)

    image = find_or_build_image(read_wheel(wheel(tmp_path, "spam", 200)), wrapped(), store, policy="now")

    assert len(pids(tmp_path)) == 3
    assert verify_image(image.root) == []


@unix_only
def test_no_process_outlives_the_store(tmp_path: Path, wrapped: Callable[[], Interpreter], store: Store) -> None:
    find_or_build_image(read_wheel(wheel(tmp_path, "spam")), wrapped(), store, policy="now")
    (pid,) = pids(tmp_path)
    assert is_running(pid)

    store.close()

    assert not is_running(pid)
    again = read_wheel(wheel(tmp_path, "eggs"))
    find_or_build_image(again, wrapped(), store, policy="now")  # it may be used again
    assert len(pids(tmp_path)) == 2


@unix_only
def test_a_process_without_work_ends_although_the_store_stays_open(
    tmp_path: Path, wrapped: Callable[[], Interpreter], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "IDLE_SECONDS", 0.05)
    find_or_build_image(read_wheel(wheel(tmp_path, "spam")), wrapped(), store, policy="now")

    wait_until(lambda: not is_running(pids(tmp_path)[0]))

    assert (
        find_or_build_image(read_wheel(wheel(tmp_path, "eggs")), wrapped(), store, policy="now").bytecode == "complete"
    )


DIES = """
if [ "$(wc -l < "${0%/*}/pids")" -eq 1 ]; then  # the first process ends within the second image
    head -n 5 | "$real" "$@"  # the header, three modules and the end of the first
    read -r line
    echo broken >&2
    exit 3
fi
exec "$real" "$@"
"""


@unix_only
def test_a_process_that_dies_fails_only_the_image_that_it_was_compiling(
    tmp_path: Path, wrapped: Callable[[str], Interpreter], store: Store
) -> None:
    python = wrapped(DIES)

    first = find_or_build_image(read_wheel(wheel(tmp_path, "first")), python, store, policy="now")
    with pytest.raises(SeedError) as raised:
        find_or_build_image(read_wheel(wheel(tmp_path, "second")), python, store, policy="now")
    third = find_or_build_image(read_wheel(wheel(tmp_path, "third")), python, store, policy="now")

    assert raised.value.message == (
        f"`{python.executable}` could not compile modules to bytecode: exited with code 3: broken"
    )
    assert (first.bytecode, third.bytecode) == ("complete", "complete")
    assert sorted(os.listdir(os.path.dirname(first.root))) == sorted(map(os.path.basename, (first.root, third.root)))
    assert len(pids(tmp_path)) == 2


@unix_only
def test_threads_that_wait_behind_a_process_that_hangs_get_a_new_one(
    tmp_path: Path, wrapped: Callable[[str], Interpreter], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "available_processors", lambda: 1)
    monkeypatch.setattr(compiling, "TIMEOUT_SECONDS", 2.0)
    python = wrapped('[ "$(wc -l < "${0%/*}/pids")" -eq 1 ] && sleep 600\nexec "$real" "$@"')

    def build(number: int) -> str:
        try:
            return find_or_build_image(
                read_wheel(wheel(tmp_path, f"spam{number}")), python, store, policy="now"
            ).bytecode
        except SeedError as error:
            return error.message

    with ThreadPoolExecutor(4) as threads:
        found = sorted(threads.map(build, range(4)))

    assert found == [
        f"`{python.executable}` could not compile modules to bytecode: timed out after 2 s",
        *["complete"] * 3,
    ]


@unix_only
def test_an_image_that_fails_stops_its_processes(
    tmp_path: Path, wrapped: Callable[[str], Interpreter], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise one of them could still write below the root while it is removed."""
    monkeypatch.setattr(bytecode, "WORTH_A_BATCH", 1)
    compiler = Compiler(wrapped("sleep 600"), store, str(tmp_path), 978307200, 0)
    compiler.add("spam.py", "spam.pyc", "spam.py", 10)
    wait_until(lambda: compiler._batches[0].process is not None)
    wait_until(lambda: pids(tmp_path) != [])

    compiler.close()

    assert compiler._batches[0].is_done
    wait_until(lambda: not is_running(pids(tmp_path)[0]))


@unix_only
def test_closing_the_store_wakes_up_threads_that_wait(
    tmp_path: Path, wrapped: Callable[[str], Interpreter], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "available_processors", lambda: 1)
    python = wrapped("sleep 600")
    errors: list[str] = []

    def build(number: int) -> None:
        compiler = Compiler(python, store, str(tmp_path), 978307200, 0)
        try:
            compiler.add(f"spam{number}.py", f"spam{number}.pyc", "spam.py", 10)
            compiler.results()
        except SeedError as error:
            errors.append(error.message)
        finally:
            compiler.close()

    threads = [threading.Thread(target=build, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(pids(tmp_path)) > 0)

    store.close()
    for thread in threads:
        thread.join(60)

    assert len(errors) == 3
    assert not any(map(is_running, pids(tmp_path)))


def test_a_root_may_contain_any_character(tmp_path: Path, interpreter: Interpreter, store: Store) -> None:
    root = tmp_path / ("a b" if os.name == "nt" else "a\nb\udcff")
    root.mkdir()
    (root / "spam.py").write_text(SOURCE)
    compiler = Compiler(interpreter, store, str(root), 978307200, 0)
    target = bytecode_path("spam.py", interpreter.cache_tag)
    compiler.add("spam.py", target, "spam.py", len(SOURCE))

    ((size, _, path),) = compiler.results()

    assert (path, size) == (target, (root / target).stat().st_size)


PROGRAM = """
import sys
from cloche.api import find
from cloche.cli.dispatch import Interrupted, install_signal_handlers
from cloche.model.value import replace
from cloche.store import Store
from cloche.store.bytecode import Compiler
from tests.distributions import host_with_home
from pathlib import Path

_, root, python = sys.argv
install_signal_handlers()
with Store.open(host_with_home(Path(root)), root + "/store") as store:
    compiler = Compiler(replace(find(), executable=python), store, root, 978307200, 0)
    compiler.add("spam.py", "spam.pyc", "spam.py", 10)
    try:
        compiler.results()
    except Interrupted:
        print("interrupted")
    finally:
        compiler.close()
"""


@unix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_a_run_that_is_interrupted_or_killed(
    tmp_path: Path, wrapped: Callable[[str], Interpreter], number: int
) -> None:
    """When cloche is killed, its processes read the end of their input."""
    python = wrapped("sleep 600" if number != signal.SIGKILL else 'exec "$real" -c "import sys; sys.stdin.read()"')
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path), python.executable], stdout=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: len(pids(tmp_path)) > 0)
        time.sleep(0.1)
        process.send_signal(number)
        printed, _ = process.communicate(timeout=60)

    assert printed == ("" if number == signal.SIGKILL else "interrupted\n")
    wait_until(lambda: all(not is_running(pid) or is_zombie(pid) for pid in pids(tmp_path)))
