"""Test the errors of commands that cannot be started in an environment."""

from __future__ import annotations

import os
import shlex
import signal
from typing import TYPE_CHECKING

import pytest

from cloche.lifecycle.command_failed import CommandFailed
from cloche.lifecycle.run import run_command
from cloche.model.environment import Environment
from cloche.model.interpreter import Host
from cloche.planning.layout import layout_of
from tests.unit.interpreters import interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a command replaces the process only on POSIX")


@pytest.fixture(autouse=True)
def restored_signals() -> Iterator[None]:
    """Restore the signal handlers that `run_command` resets before it replaces the process."""
    numbers = (signal.SIGPIPE, signal.SIGXFSZ)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


def test_the_hint_quotes_the_path_of_the_environment(tmp_path: Path) -> None:
    location = tmp_path / "my env"
    script = location / "bin" / "dead"
    script.parent.mkdir(parents=True)
    script.write_text(f"#!{tmp_path}/gone/python\n")
    script.chmod(0o755)
    python = interpreter("CPython 3.12.1")
    environment = Environment(
        location=str(location), layout=layout_of(python), os_name="posix", prompt="env", interpreter=python
    )
    host = Host(environ={}, cwd=str(tmp_path), platform="linux", os_name="posix", executable="/usr/bin/python3")
    with pytest.raises(CommandFailed, match="in its first line does not exist") as refused:
        run_command(environment, ["dead"], host)
    assert refused.value.hint is not None
    command = refused.value.hint.split("`")[1]
    assert shlex.split(command) == ["cloche", "doctor", "--fix", str(location)]
