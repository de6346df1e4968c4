"""Editable wheels (PEP 660) of projects in directories, built by pypa/build.

pypa/build reads what the project requires, and calls the hooks of its build backend. Its own isolated environment would have
the Python that runs cloche, so it gets one of the interpreter that the wheel is for: the `venv` of that interpreter creates
it, and the pip that also builds other wheels fills it, with the same settings.
"""

from __future__ import annotations

import os
import subprocess
import warnings
from typing import TYPE_CHECKING

from cloche.errors import ClocheError, SeedError
from cloche.store.builds.log import build_error, likely_reason
from cloche.store.builds.process import run_build
from cloche.store.builds.projects import project_directory
from cloche.store.builds.sources import unusable
from cloche.store.pip import command_of_pip

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from build import ProjectBuilder

    from cloche.model.interpreter import Interpreter
    from cloche.store import Store
    from cloche.store.builds.sources import SourceCode


class BuildEnvironment:
    """The environment of one build. `run_build` runs all programs in it.

    It implements the protocol `build.env.IsolatedEnv`: `build` calls `python_executable`, `make_extra_environ` and `run`.
    """

    def __init__(
        self,
        source: SourceCode,
        interpreter: Interpreter,
        pip: str,
        environ: Mapping[str, str],
        work: str,
        log: str,
        store: Store,
    ) -> None:
        """Describe the environment, without creating it.

        :param pip: the path of a pip that supports the interpreter.
        :param work: a private directory, which gets the environment.
        """
        self.source, self.interpreter, self.environ, self.log = source, interpreter, environ, log
        self._pip, self._work, self._store = pip, work, store
        self._root = os.path.join(work, "environment")
        self._scripts = os.path.join(self._root, interpreter.scheme["scripts"])

    @property
    def python_executable(self) -> str:
        return os.path.join(self._scripts, "python.exe" if self.interpreter.os_name == "nt" else "python")

    def make_extra_environ(self) -> dict[str, str]:
        return {"PATH": os.pathsep.join(filter(None, (self._scripts, self.environ.get("PATH", ""))))}

    def create(self, requirements: Collection[str]) -> None:
        """Create the environment with what a build requires (PEP 508).

        :raises SeedError: the interpreter has no `venv`.
        :raises subprocess.CalledProcessError: `venv` or pip fails.
        """
        if not self.interpreter.has_venv:
            raise unusable(self.source, f"{self.interpreter.name} has no `venv` module, which isolates the build")
        self.run([self.interpreter.executable, "-I", "-m", "venv", "--without-pip", self._root])
        self.install(requirements, "--ignore-installed")  # pip would find itself

    def install(self, requirements: Collection[str], *options: str) -> None:
        """Install requirements as pip does for the builds that it isolates.

        :raises subprocess.CalledProcessError: pip fails.
        """
        if requirements:
            command = command_of_pip(self.python_executable, self.interpreter.version, self._pip)
            command += ["install", "--no-compile", "--no-warn-script-location", *options]
            for path in self.environ.get("PIP_BUILD_CONSTRAINT", "").split():
                command += ["--constraint", path]
            self.run([*command, "--", *sorted(requirements)])

    def run(self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
        """Run a program with additional variables; its output goes to the log. This is a `build.RunnerType`.

        :raises subprocess.CalledProcessError: its exit code is not 0.
        """
        environ = {**self.environ, **(extra_environ or {})}
        code = run_build(cmd, environ, cwd or self._work, self.log, self.source, self._store)
        if code != 0:
            raise subprocess.CalledProcessError(code, cmd)


def build_editable_wheel(environment: BuildEnvironment, stage: str) -> None:
    """Build the editable wheel of a directory into the directory `stage`; the caller checks the wheel.

    :raises SeedError: the project is not valid, or the build fails.
    :raises OSError: a temporary file cannot be written.
    """
    try:
        from build import BuildBackendException
    except ImportError as error:  # on Python 3.10, `build` needs tomli, which the zip application does without
        raise SeedError(
            f"building an editable wheel needs the module `{error.name}`, which is not installed with cloche",
            hint="run cloche with Python 3.11 or later" if error.name == "tomli" else "install cloche again",
        ) from error
    log, settings = environment.log, config_settings(environment.environ)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the backend's warnings are for the authors of the project
            builder = builder_of(environment)
            environment.create(builder.build_system_requires)
            more = builder.get_requires_for_build("editable", settings)
            environment.install(more - builder.build_system_requires)
            try:
                builder.build("editable", stage, settings)
            except TypeError:
                pass  # the backend has not returned a name; whether there is a wheel is checked later
    except subprocess.CalledProcessError as error:
        raise build_error(environment.source, environment.interpreter, likely_reason(log), log) from error
    except BuildBackendException as error:
        raise backend_error(error.exception, environment) from error


def builder_of(environment: BuildEnvironment) -> ProjectBuilder:
    """Return the builder of a directory.

    :raises SeedError: it has no project, or the project's table `build-system` is not valid.
    """
    from build import BuildException, ProjectBuilder

    directory = project_directory(environment.source)
    try:
        return ProjectBuilder.from_isolated_env(environment, directory, environment.run)
    except (BuildException, TypeError, ValueError) as error:
        path = os.path.join(directory, "pyproject.toml")
        if not os.path.exists(path):
            reason = f"`{directory}` has neither a `pyproject.toml` nor a `setup.py`"
        else:
            problem = " ".join(str(error.args[0]).split())
            reason = f"the table `build-system` in `{path}` is not valid ({problem})"
        raise unusable(environment.source, reason) from error


def config_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings for the build backend in a variable of pip, which reads it as one `KEY=VALUE`."""
    key, _, text = environ.get("PIP_CONFIG_SETTINGS", "").partition("=")
    return {key: text} if key else {}


def backend_error(error: Exception, environment: BuildEnvironment) -> Exception:
    """Return the exception to raise for a failed call of a build backend."""
    from pyproject_hooks import BackendUnavailable, HookMissing

    source, interpreter, log = environment.source, environment.interpreter, environment.log
    match error:
        case HookMissing():
            return SeedError(
                f"cannot build {source.title} for {interpreter.name}: "
                "the build backend of this project does not support editable wheels (PEP 660)",
                hint="require a newer version of the backend, or lock the directory without `editable` or `-e`",
            )
        case BackendUnavailable():
            with open(log, "a", encoding="utf-8", errors="replace") as file:
                file.write(error.traceback or str(error))
            return build_error(source, interpreter, likely_reason(log), log)
        case subprocess.CalledProcessError():
            return build_error(source, interpreter, likely_reason(log), log)
        case FileNotFoundError():
            return build_error(source, interpreter, "its build backend ended without a result", log)
        case ClocheError() | OSError():
            return error
        case _:
            problem = " ".join(str(error).split())
            return build_error(source, interpreter, f"its build backend returned no valid result ({problem})", log)
