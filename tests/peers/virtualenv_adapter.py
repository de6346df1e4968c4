"""A pytest plugin that makes virtualenv, as its own test suite uses it, create its environments with cloche.

The classes of virtualenv stay as they are, because the suite uses them to describe what it expects.
"""

from __future__ import annotations

import virtualenv
import virtualenv.__main__
import virtualenv.run
from cloche_virtualenv import main, session
from cloche_virtualenv.arguments import Announced

ANNOUNCED = Announced(virtualenv.__version__, virtualenv.__file__)


def session_via_cli(args, options=None, setup_logging=True, env=None):  # noqa: ANN001, ANN201
    return session.session_via_cli(args, options, setup_logging, env, ANNOUNCED)


def cli_run(args, options=None, setup_logging=True, env=None):  # noqa: ANN001, ANN201
    return session.cli_run(args, options, setup_logging, env, ANNOUNCED)


def run(args=None, options=None, env=None):  # noqa: ANN001, ANN201
    main.run(args, options, env, ANNOUNCED)


def run_with_catch(args=None, env=None):  # noqa: ANN001, ANN201
    main.run_with_catch(args, env, ANNOUNCED)


for module in (virtualenv, virtualenv.run):
    module.cli_run = cli_run
    module.session_via_cli = session_via_cli
virtualenv.__main__.run = run
virtualenv.__main__.run_with_catch = run_with_catch
