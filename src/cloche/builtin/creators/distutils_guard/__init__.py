"""The files that keep settings of distutils from changing where packages are installed: for Python 3.9 and earlier.

There, pip and setuptools ask distutils where to install, and it reads `~/.pydistutils.cfg`, `setup.cfg` in the current
directory, and the `distutils.cfg` of the base interpreter. Those were written for an installation, not for an environment.
CPython ignores some of these settings in environments, such as `prefix`, but not `install_lib` or `exec_prefix`.
"""

from __future__ import annotations

from cloche.model.operations import Write
from cloche.model.value import TYPE_CHECKING
from cloche.shells.template import resource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloche.model.environment import Layout
    from cloche.model.interpreter import Interpreter
    from cloche.model.operations import Operation

MODULE = "_cloche_distutils"


def files(interpreter: Interpreter, layout: Layout) -> Iterator[Operation]:
    """Yield a module and the `.pth` file that imports it; nothing for Python 3.10 and later."""
    if interpreter.version[:2] < (3, 10):
        yield Write(f"{layout.purelib}/{MODULE}.py", resource(__name__, f"{MODULE}.py").encode())
        yield Write(f"{layout.purelib}/{MODULE}.pth", f"import {MODULE}\n".encode())
