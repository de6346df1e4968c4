"""A tox plugin that creates environments with cloche if their configuration has `runner = cloche`.

tox imports this module on every start, so the module imports cloche only when an environment is used.
"""

from __future__ import annotations

import sys
from abc import ABC
from hashlib import sha256
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

TOX_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalVM"}
"""The names that tox uses, by `sys.implementation.name`."""

OPERATORS = ("<", ">", "=", "!", "~")
"""The first characters of the clauses of a version range."""


class ClocheEnv(Python, ABC):
    """A tox environment that cloche creates; its paths are known before it exists."""

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
            desc="give the environment access to the packages of its base Python",
        )
        self.conf.add_config(
            keys=["lock"],
            of_type=str,
            default="",
            desc="a lock file whose packages the environment is created with, relative to the root of the project",
        )
        self.conf.add_config(keys=["lock_extras"], of_type=list[str], default=[], desc="extras of the lock file")
        self.conf.add_config(keys=["lock_groups"], of_type=list[str], default=[], desc="groups of the lock file")
        self.conf.add_config(
            keys=["startup_code"],
            of_type=list[str],
            default=["list"],
            desc="`refuse` to reject packages whose code runs whenever Python starts, or the names of the packages to allow",
        )
        self.conf.add_config(
            keys=["always_copy", "alwayscopy"],
            of_type=bool,
            default=False,
            desc="copy the base Python instead of linking to it",
        )
        self.conf.add_config(
            keys=["download"],
            of_type=bool,
            default=False,
            desc="download the newest pip",
        )

    @property
    def _discover(self) -> list[str]:
        """The interpreters to try first (`tox --discover`)."""
        return [str(path) for path in getattr(self.options, "discover", None) or ()]

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
        """Return the spec that tox uses for a path in `base_python`."""
        import cloche

        try:
            found = cloche.find(str(path))
        except cloche.ClocheError as error:
            raise RuntimeError(f"could not query python information for {path}: {error.message}") from error
        name = TOX_IMPLEMENTATIONS.get(found.implementation, found.implementation)
        build = "t" * found.free_threaded + "d" * found.debug
        return PythonSpec.from_string_spec(
            f"{name}{found.version[0]}{found.version[1]}{build}-{found.bits}-{found.machine}"
        )

    def _get_python(self, base_python: list[str]) -> PythonInfo | None:
        import cloche

        try:
            found = cloche.find(*join_ranges(base_python), try_first_with=self._discover)
        except cloche.InterpreterNotFound:
            return None
        except cloche.ClocheError as error:
            raise Fail(one_line(error)) from error
        return PythonInfo(
            implementation=TOX_IMPLEMENTATIONS.get(found.implementation, found.implementation),
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
        """Return the values that make tox recreate the environment when they change."""
        return {
            **super().python_cache(),
            "cloche": self._interpreter.executable,
            "system_site_packages": self.conf["system_site_packages"],
            **({"lock": self._lock_signature()} if self.conf["lock"] else {}),
            **({"startup_code": self.conf["startup_code"]} if self.conf["startup_code"] != ["list"] else {}),
            **({"always_copy": True} if self.conf["always_copy"] else {}),
        }

    def _lock_signature(self) -> list[object]:
        """Return a value that changes with the lock file, and with what is installed from it."""
        try:
            digest = sha256(self._lock.read_bytes()).hexdigest()
        except OSError:
            digest = ""  # creating the environment reports it
        return [str(self._lock), digest, self.conf["lock_extras"], self.conf["lock_groups"]]

    @property
    def _lock(self) -> Path:
        root: Path = self.core["tox_root"]
        path: str = self.conf["lock"]
        return root / path

    @property
    def _interpreter(self) -> Interpreter:
        found: Interpreter = self.base_python.extra["interpreter"]
        return found

    @property
    def environment(self) -> Environment:
        """The environment, which may not exist yet.

        :raises Skip: the interpreter was not found.
        """
        if self._environment is None:
            import cloche

            try:
                executable = self._interpreter.executable
            except Fail as error:
                raise Skip(str(error)) from error
            self._environment = cloche.describe(self.env_dir, python=executable)
        return self._environment

    def create_python_env(self) -> None:
        import cloche

        locked: dict[str, Any] = {}
        if self.conf["lock"]:  # tox installs the package of the project with pip
            extras, groups = self.conf["lock_extras"], self.conf["lock_groups"]
            locked = {"lock": self._lock, "extras": extras, "groups": groups, "seeds": ["pip"]}
        try:
            cloche.create(
                self.env_dir,
                python=self._interpreter.executable,
                site_packages="system" if self.conf["system_site_packages"] else "isolated",
                creator="copy" if self.conf["always_copy"] else None,
                network="newest" if self.conf["download"] else "last-resort",
                startup_code=self.conf["startup_code"],
                **locked,
            )
        except cloche.ClocheError as error:
            raise Fail(one_line(error)) from error

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


def join_ranges(specs: list[str]) -> list[str]:
    """Return the specs with their ranges joined again, because tox splits them at commas (`>=3.10,<3.13`)."""
    joined: list[str] = []
    for spec in specs:
        if joined and spec[:1] in OPERATORS and any(operator in joined[-1] for operator in OPERATORS):
            joined[-1] += f",{spec}"
        else:
            joined.append(spec)
    return joined


def one_line(error: Exception) -> str:
    """Return the message of a cloche error with its hint, on one line."""
    hint = getattr(error, "hint", None)
    return f"{error} ({hint})" if hint else str(error)


class ClocheRunner(ClocheEnv, PythonRun):
    """An environment in which tox runs commands."""

    @staticmethod
    def id() -> str:
        return "cloche"

    @property
    def _default_package_env(self) -> str:
        """The name of the package environment: not `.pkg`, which may be that of another runner in the same project."""
        return ".pkg-cloche"

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
    """An environment in which a build backend builds packages (PEP 517)."""

    @staticmethod
    def id() -> str:
        return "cloche-pep-517"


class ClocheCmdBuilder(VenvCmdBuilder, ClocheEnv):
    """An environment in which a command builds packages (`package = external`)."""

    @staticmethod
    def id() -> str:
        return "cloche-cmd-builder"


@impl
def tox_register_tox_env(register: ToxEnvRegister) -> None:
    register.add_run_env(ClocheRunner)
    register.add_package_env(ClochePackager)
    register.add_package_env(ClocheCmdBuilder)
