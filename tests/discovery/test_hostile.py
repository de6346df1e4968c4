"""Test that executables which hang, crash, print too much or lie are rejected with a reason, within the timeout."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloche.discovery import find_interpreter, list_interpreters, probe, serialization
from cloche.discovery.cache import ProbeCache
from cloche.errors import InterpreterNotFound
from cloche.model.candidate import Candidate
from cloche.model.interpreter import Host
from tests.recorded import recorded_interpreter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cloche.discovery.cache import ProbeResult
    from cloche.model.spec import InterpreterSpec

HOST = Host(dict(os.environ), os.sep, sys.platform, os.name, sys.executable)
ANSWER = serialization.interpreter_to_dict(recorded_interpreter("cpython-3.12-linux"))
WINDOWS_ANSWER = serialization.interpreter_to_dict(recorded_interpreter("cpython-3.12-windows"))

SCRIPT = f"""#!{sys.executable}
import json, os, sys, time
start, end = (text[::-1] for text in sys.argv[-2:])
def answer(text):
    print(start + (text if isinstance(text, str) else json.dumps(text)) + end, flush=True)
ANSWER = {{"kind": "interpreter", **{ANSWER!r}}}
"""

HOSTILE = {
    "hangs": ("time.sleep(60)", "does not respond in time"),
    "hangs after half an answer": ("print(start, flush=True); time.sleep(60)", "does not respond in time"),
    "closes its output and hangs": ("os.close(1); os.close(2); time.sleep(60)", "does not respond in time"),
    "floods": ("data = b'x' * 65536\nwhile True: os.write(1, data)", "prints more than 1 MiB without a valid result"),
    "floods the other stream": ("data = b'x' * 65536\nwhile True: os.write(2, data)", "prints more than 1 MiB"),
    "floods inside its answer": ("os.write(1, start.encode() + b'[' * (1 << 21))", "prints more than 1 MiB"),
    "is silent": ("pass", "prints no result"),
    "fails": ("sys.exit('no\\x1b[31m such luck')", "fails with exit code 1: no [31m such luck"),
    "crashes": ("os.kill(os.getpid(), 11)", "is terminated by SIGSEGV"),
    "echoes its arguments": ("print(*sys.argv)", "prints no result"),
    "echoes its arguments reversed, without an answer": ("print(start + end)", "prints invalid data"),
    "answers with garbage": ("answer('{')", "prints invalid data"),
    "answers with deeply nested lists": ("answer('[' * 100000)", "prints invalid data"),
    "answers with a list": ("answer([1, 2])", "prints invalid data"),
    "answers with a huge number": ("answer('{\"kind\": ' + '1' * 10000 + '}')", "prints invalid data"),
    "answers with bytes that are not text": (
        "os.write(1, start.encode() + b'\\xff' + end.encode())",
        "prints invalid data: ",
    ),
    "misses a field": ("del ANSWER['prefix']; answer(ANSWER)", "prints invalid data: `prefix` is miss"),
    "lies about its version": (
        "answer({**ANSWER, 'version': 'newest'})",
        "invalid data: `version` has the invalid value 'newest'",
    ),
    "leaves the environment": (
        "answer({**ANSWER, 'scheme': {**ANSWER['scheme'], 'purelib': '../../etc'}})",
        "prints invalid data: `scheme`",
    ),
    "is built for another system": (
        f"answer({{'kind': 'interpreter', **{WINDOWS_ANSWER!r}}})",
        "is built for another operating system (win32)",
    ),
    "cannot describe itself": ("answer({'kind': 'failed', 'reason': 'a\\nb'})", "cannot describe itself: a b"),
    "is too old, with an invalid version": ("answer({'kind': 'too-old', 'version': ['x']})", "prints invalid data"),
}


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., str]:
    """Return a function that creates an executable script which runs a program instead of the probe."""

    def make(program: str, name: str = "python") -> str:
        path = tmp_path / name
        path.write_text(SCRIPT + program)
        path.chmod(0o755)
        return str(path)

    return make


@pytest.mark.parametrize(("program", "reason"), HOSTILE.values(), ids=HOSTILE)
def test_an_executable_without_a_valid_answer_is_rejected_with_the_reason(
    program: str, reason: str, script: Callable[..., str]
) -> None:
    started = time.monotonic()
    (answer,) = probe.probe_executables([script(program)], HOST.environ, timeout=1.0)
    assert answer.interpreter is None
    assert reason in answer.reason
    assert "\n" not in answer.reason
    assert "\x1b" not in answer.reason
    assert time.monotonic() - started < 30


def test_output_before_and_after_the_answer_is_ignored(script: Callable[..., str]) -> None:
    program = "print('welcome', start[:5], end='')\nanswer(ANSWER)\nprint('good bye' * 1000)"
    (answer,) = probe.probe_executables([script(program)], HOST.environ)
    assert answer.interpreter == recorded_interpreter("cpython-3.12-linux")


def test_an_answer_is_accepted_even_if_the_process_does_not_exit(script: Callable[..., str]) -> None:
    started = time.monotonic()
    (answer,) = probe.probe_executables([script("answer(ANSWER)\ntime.sleep(60)")], HOST.environ)
    assert answer.interpreter is not None
    assert time.monotonic() - started < 30


def test_all_child_processes_are_killed(script: Callable[..., str], tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program = (
        f"for _ in range(3):\n    if not os.fork():\n        os.fork()\n"
        f"        open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')\n        time.sleep(60)\n"
        f"time.sleep(0.3)\n"
    )
    (answer,) = probe.probe_executables([script(program)], HOST.environ, timeout=1.0)
    assert answer.reason == "does not respond in time"
    children = [int(line) for line in pids.read_text().split()]
    assert len(children) == 6
    deadline = time.monotonic() + 5
    while any(is_running(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not [pid for pid in children if is_running(pid)]


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_grandchild_in_another_session_does_not_delay_the_probe(script: Callable[..., str], tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    program = (
        "if not os.fork():\n    os.setsid()\n    if os.fork(): os._exit(0)\n"
        f"    open({str(pid)!r}, 'w').write(str(os.getpid()))\n    time.sleep(60)\ntime.sleep(0.2)\n"
    )
    started = time.monotonic()
    (answer,) = probe.probe_executables([script(program)], HOST.environ, timeout=1.0)
    assert answer.reason == "does not respond in time"
    assert time.monotonic() - started < 30
    os.kill(int(pid.read_text()), signal.SIGKILL)


def test_many_hanging_executables_take_no_longer_than_the_total_timeout(script: Callable[..., str]) -> None:
    paths = [script("time.sleep(60)", f"python{number}") for number in range(20)]
    started = time.monotonic()
    answers = probe.probe_executables(paths, HOST.environ, total_timeout=1.5, timeout=1.0)
    assert time.monotonic() - started < 30
    assert len(answers) == 20
    assert all(answer.reason for answer in answers)


def test_hanging_executables_do_not_hide_a_working_interpreter(script: Callable[..., str]) -> None:
    class ListFinder:
        name = "path"

        def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
            for number in range(3):
                yield Candidate(script("time.sleep(60)", f"python{number}"), self.name)
            yield Candidate(sys.executable, self.name)

    def probe_briefly(paths: Sequence[str], environ: Mapping[str, str]) -> list[ProbeResult]:
        return probe.probe_executables(paths, environ, timeout=1.0)

    text = f"{sys.version_info[0]}.{sys.version_info[1]}"
    found = find_interpreter((text,), HOST, [ListFinder()], ProbeCache(None, prober=probe_briefly))
    assert found.interpreter.python_version == text
    results = list_interpreters(text, HOST, [ListFinder()], ProbeCache(None, prober=probe_briefly)).results
    assert [result.reason for result in results] == ["does not respond in time"] * 3 + [""]
    assert [result.is_chosen for result in results] == [False] * 3 + [True]


def test_every_executable_is_probed_even_with_few_file_descriptors() -> None:
    program = (
        "import os, resource, sys; from cloche.discovery import probe\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))\n"
        "print([answer.reason for answer in probe.probe_executables([sys.executable] * 8, os.environ)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"{[''] * 8}\n"


def test_a_file_that_cannot_be_started_is_rejected_with_the_reason(tmp_path: Path) -> None:
    for name, content, reason in (
        ("empty", b"", "it is not a program, and has no `#!` line"),
        ("elf", b"\x7fELF" + bytes(60), "exec format error"),
        ("lost", b"#!/nowhere/python -E\n", "`/nowhere/python` in its first line does not exist"),
        ("dos", b"#!/bin/sh\r\nexit\r\n", "`/bin/sh\r` in its first line does not exist"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        path.chmod(0o755)
        (answer,) = probe.probe_executables([str(path)], HOST.environ)
        assert answer.interpreter is None
        assert answer.reason == f"cannot be started: {reason}"


def test_a_sitecustomize_that_prints_does_not_disturb_the_probe(tmp_path: Path) -> None:
    root = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root)], check=True)
    (site_packages,) = root.glob("lib/python*/site-packages")
    (site_packages / "sitecustomize.py").write_text('print(\'{"kind": "interpreter"}\' * 1000)')
    assert find_interpreter((str(root),), HOST, [], ProbeCache(None)).interpreter.version == sys.version_info


def test_a_requested_path_that_fails_is_an_error(script: Callable[..., str]) -> None:
    with pytest.raises(InterpreterNotFound, match="is terminated by SIGKILL"):
        find_interpreter((script("os.kill(os.getpid(), 9)"),), HOST, [], ProbeCache(None))


def test_an_interrupt_kills_the_probed_processes(script: Callable[..., str], tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    path = script(f"open({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)")
    program = "import os, sys; from cloche.discovery import probe; probe.probe_executables(sys.argv[1:], os.environ)"
    process = subprocess.Popen([sys.executable, "-c", program, path], stderr=subprocess.DEVNULL)
    while not (pid.exists() and pid.read_text()):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=5)
    deadline = time.monotonic() + 5
    while is_running(int(pid.read_text())) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(int(pid.read_text()))


@given(st.binary(max_size=300))
def test_any_text_between_the_cookies_is_either_rejected_or_a_valid_interpreter(text: bytes) -> None:
    answer = probe.parse_probe_output(text)
    assert answer.reason
    assert "\n" not in answer.reason


@given(
    st.sampled_from(sorted(ANSWER)),
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.integers()),
)
def test_any_value_of_a_field_is_either_rejected_or_kept_unchanged(field: str, value: object) -> None:
    answer = probe.parse_probe_output(json.dumps({**ANSWER, "kind": "interpreter", field: value}).encode())
    assert bool(answer.reason) is (answer.interpreter is None)
