"""The tox environments that cloche makes: `runner = cloche`. Nothing that does not ask for it is changed.

tox loads this module whenever it starts, so it imports cloche only when an environment is looked at.
"""

from __future__ import annotations

import sys
from abc import ABC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_discovery import PythonSpec
from tox.execute.local_sub_process import LocalSubProcessExecutor
from tox.plugin import impl
from tox.tox_env.errors import Fail, Skip
from tox.tox_env.python.api import Python, PythonInfo, VersionInfo
from tox.tox_env.python.pip.pip_install import Pip
from tox.tox_env.python.runner import PythonRun
from tox.tox_env.python.virtual_env.package.cmd_builder import VenvCmdBuilder
from tox.tox_env.python.virtual_env.package.pyproject import Pep517VenvPackager

if TYPE_CHECKING:
    from tox.execute.api import Execute
    from tox.tox_env.api import ToxEnvCreateArgs
    from tox.tox_env.register import ToxEnvRegister

    from cloche import Environment, Interpreter

IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalVM"}
"""By `sys.implementation.name`: what tox calls it."""

OPERATORS = ("<", ">", "=", "!", "~")
"""With which the parts of a range begin."""


class ClocheEnv(Python, ABC):
    """A tox environment in an environment that cloche makes: described first, and made if it is needed."""

    def __init__(self, create_args: ToxEnvCreateArgs) -> None:
        self._executor: Execute | None = None
        self._installer: Pip | None = None
        self._environment: Environment | None = None
        super().__init__(create_args)

    def register_config(self) -> None:
        super().register_config()
        self.conf.add_config(
            keys=["system_site_packages", "sitepackages"],
            of_type=bool,
            default=False,
            desc="let the environment see the packages of the Python that it is made of",
        )

    @property
    def executor(self) -> Execute:
        if self._executor is None:
            self._executor = LocalSubProcessExecutor(self.options.is_colored)
        return self._executor

    @property
    def installer(self) -> Pip:
        if self._installer is None:
            self._installer = Pip(self)
        return self._installer

    @property
    def runs_on_platform(self) -> str:
        return sys.platform

    def _default_pass_env(self) -> list[str]:
        return [*super()._default_pass_env(), "PIP_*", "CLOCHE_*"]

    def _default_set_env(self) -> dict[str, str]:
        return {**super()._default_set_env(), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    @classmethod
    def python_spec_for_path(cls, path: Path) -> PythonSpec:
        """Return what tox is to think of a path that is given as `base_python`."""
        import cloche

        try:
            found = cloche.find(str(path))
        except cloche.ClocheError as error:
            raise RuntimeError(f"could not query python information for {path}: {error.message}") from error
        name = IMPLEMENTATIONS.get(found.implementation, found.implementation)
        build = "t" * found.free_threaded + "d" * found.debug
        return PythonSpec.from_string_spec(
            f"{name}{found.version[0]}{found.version[1]}{build}-{found.bits}-{found.machine}"
        )

    def _get_python(self, base_python: list[str]) -> PythonInfo | None:
        import cloche

        try:
            found = cloche.find(*whole_ranges(base_python))
        except cloche.InterpreterNotFound:
            return None
        except cloche.ClocheError as error:
            raise Fail(sentence(error)) from error
        return PythonInfo(
            implementation=IMPLEMENTATIONS.get(found.implementation, found.implementation),
            version_info=VersionInfo(*found.version),
            version=found.version_text,
            is_64=found.bits == 64,
            platform=found.platform,
            extra={"executable": Path(found.executable), "interpreter": found},
            free_threaded=found.free_threaded,
            debug=found.debug,
            machine=found.machine,
        )

    def python_cache(self) -> dict[str, Any]:
        """Return what makes an environment another one, so that tox makes it anew."""
        return {
            **super().python_cache(),
            "cloche": self._interpreter.executable,
            "system_site_packages": self.conf["system_site_packages"],
        }

    @property
    def _interpreter(self) -> Interpreter:
        found: Interpreter = self.base_python.extra["interpreter"]
        return found

    @property
    def environment(self) -> Environment:
        """The environment, whether it is there or not.

        :raises Skip: there is no such interpreter.
        """
        if self._environment is None:
            import cloche

            try:
                executable = self._interpreter.executable
            except Fail as error:
                raise Skip(str(error)) from error
            # A plan is nothing but a description: whatever stands there now, tox will have taken it away.
            self._environment = cloche.plan(
                self.env_dir, python=executable, seeds=None, activators=(), existing="replace-anything"
            ).environment
        return self._environment

    def create_python_env(self) -> None:
        import cloche

        try:
            cloche.create(
                self.env_dir,
                python=self._interpreter.executable,
                site_packages="system" if self.conf["system_site_packages"] else "isolated",
            )
        except cloche.ClocheError as error:
            raise Fail(sentence(error)) from error

    def prepend_env_var_path(self) -> list[Path]:
        return [self.environment.bin]

    def env_site_package_dir(self) -> Path:
        return self.environment.purelib

    def env_site_package_dir_plat(self) -> Path:
        return self.environment.platlib

    def env_python(self) -> Path:
        return self.environment.executable

    def env_bin_dir(self) -> Path:
        return self.environment.bin


def whole_ranges(specs: list[str]) -> list[str]:
    """Return specs with the ranges whole again that tox takes apart at their commas (`>=3.10,<3.13`)."""
    whole: list[str] = []
    for spec in specs:
        if whole and spec[:1] in OPERATORS and any(operator in whole[-1] for operator in OPERATORS):
            whole[-1] += f",{spec}"
        else:
            whole.append(spec)
    return whole


def sentence(error: Exception) -> str:
    """Return an error of cloche in one line."""
    hint = getattr(error, "hint", None)
    return f"{error} ({hint})" if hint else str(error)


class ClocheRunner(ClocheEnv, PythonRun):
    """Where commands run."""

    @staticmethod
    def id() -> str:
        return "cloche"

    @property
    def _package_tox_env_type(self) -> str:
        return "cloche-pep-517"

    @property
    def _external_pkg_tox_env_type(self) -> str:
        return "cloche-cmd-builder"

    @property
    def default_pkg_type(self) -> str:
        root = self.core["tox_root"]
        if not any((root / name).exists() for name in ("pyproject.toml", "setup.py", "setup.cfg")):
            return "skip"
        return super().default_pkg_type


class ClochePackager(Pep517VenvPackager, ClocheEnv):
    """Where packages are built by their backend (PEP 517)."""

    @staticmethod
    def id() -> str:
        return "cloche-pep-517"


class ClocheCmdBuilder(VenvCmdBuilder, ClocheEnv):
    """Where packages are built by a command (`package = external`)."""

    @staticmethod
    def id() -> str:
        return "cloche-cmd-builder"


@impl
def tox_register_tox_env(register: ToxEnvRegister) -> None:
    register.add_run_env(ClocheRunner)
    register.add_package_env(ClochePackager)
    register.add_package_env(ClocheCmdBuilder)
