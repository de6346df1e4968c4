"""The form of a command, the options that every command has, and `create`, which runs by default."""

from __future__ import annotations

from cloche.model.options import PORTABLE_OPTIONS, Option
from cloche.model.value import Value
from cloche.plugins import load_object


class CommandSpec(Value):
    """A command and what it accepts."""

    name: str
    summary: str
    """What it does, as a lower-case fragment."""
    implementation: str
    """`"package.module:attribute"` of a function that takes an `Invocation` and returns an exit code."""
    own_options: tuple[Option, ...] = ()
    operands: str = ""
    """The operands, as help shows them: `DEST`, `[SPEC]`, `ENV...`."""
    min_operands: int = 0
    """The smallest number of operands."""
    max_operands: int = 0
    """The largest number of operands; -1 for any number."""
    required: str = ""
    """The option that must be given, as help shows it: `-o FILE`."""
    rest: str = ""
    """The name of the arguments after `--`, which are passed on unchanged: `CMD`."""
    choices: tuple[str, ...] = ()
    """The allowed values of the first operand; empty for any."""
    takes_text: bool = False
    """Whether its operands can be any text, not only paths and names: a value, or the words of another command line."""
    inherits: str = ""
    """The command whose options it also reads from variables and config files."""
    aliases: str = ""
    """`"package.module:attribute"` of another tool's spellings, which are loaded when one is used."""
    ineffective: tuple[str, ...] = ()
    """Names of common options that it accepts like every command, but that change nothing; help does not show them."""

    @property
    def options(self) -> tuple[Option, ...]:
        """Every option that only this command has, including the aliases."""
        return self.own_options + load_object(self.aliases) if self.aliases else self.own_options

    @property
    def accepted_common_options(self) -> tuple[Option, ...]:
        """The common options, described as they work for it."""
        return tuple(JSON_ERRORS if self.rest and option.name == "json" else option for option in COMMON)

    @property
    def common_options(self) -> tuple[Option, ...]:
        """The common options that have an effect."""
        return tuple(option for option in self.accepted_common_options if option.name not in self.ineffective)

    @property
    def synopsis(self) -> str:
        """What follows its name and options in help: `[ENV] -o FILE`, `[ENV] -- CMD`."""
        return " ".join(filter(None, (self.operands, self.required, f"-- {self.rest}" if self.rest else "")))


COMMON = (
    Option("json", "print one JSON object with `schema_version` on standard output", "flag", group="output"),
    Option("quiet", "print less; `-qq` also hides warnings", "count", short="q", group="output", sources="argv"),
    Option("verbose", "print more", "count", short="v", group="output", sources="argv"),
    Option("traceback", "show the traceback of an error", "flag", group="output"),
    Option("cache-dir", "the directory for cached seeds and interpreter data", metavar="DIR", group="cache"),
    Option("read-only-cache", "use the cache, but do not write to it", "flag", group="cache"),
    Option("no-plugin", "do not load the plugin or distribution of this name", "list", "NAME", group="plugins"),
    Option("no-plugins", "load only the built-in plugins", "flag", group="plugins"),
    Option("version", "print the version", "flag", group="general", sources="argv"),
    Option("help", "show this help", "flag", short="h", group="general", sources="argv"),
)

JSON_ERRORS = Option("json", "print an error of cloche as a JSON object", "flag", group="output")
"""`--json` of a command that runs a program, to which standard output belongs."""

NO_FINDER = Option("no-finder", "do not search for interpreters with this finder", "list", "NAME", group="python")

STARTUP_CODE = Option(
    "startup-code",
    "what to do with packages whose code runs whenever Python starts: `allow`, `list` or `refuse`, or the names to allow",
    "list",
    "POLICY",
    group="seeds",
)

COMPONENT_OPTIONS = PORTABLE_OPTIONS
"""The options of built-in components, which the command line knows without loading them."""

CREATE = CommandSpec(
    "create",
    "create an environment",
    "cloche.cli.create:create",
    (
        Option(
            "python", "the Python to use: the first SPEC that has a match", "list", "SPEC", short="p", group="python"
        ),
        Option("try-first-with", "an interpreter to try first", "list", "EXE", group="python"),
        NO_FINDER,
        Option("creator", "how to create the environment", metavar="NAME", group="components"),
        Option("seeder", "how to install the seeds, the first packages", metavar="NAME", group="components"),
        Option(
            "activators",
            "shells to create activation scripts for: names, `all` or `none`",
            "words",
            "NAMES",
            group="components",
        ),
        Option("clear", "replace an existing environment, but no other files", "flag", group="destination"),
        Option(
            "force",
            "let `--clear` replace everything in the directory, unless it contains a project",
            "flag",
            group="destination",
        ),
        Option(
            "system-site-packages", "give access to the packages of the base interpreter", "flag", group="environment"
        ),
        Option(
            "prompt",
            "the prompt of an activated shell; `.` for the name of the current directory",
            metavar="TEXT",
            group="environment",
        ),
        Option(
            "relocatable", "make it work from any directory, even after a move or copy", "flag", group="environment"
        ),
        Option("no-vcs-ignore", "do not create a `.gitignore` file in it", "flag", group="environment"),
        Option("lock", "a lock file: install exactly its packages", metavar="FILE", group="locked packages"),
        Option("extra", "an extra of the lock file to install", "list", "NAME", group="locked packages"),
        Option("group", "a dependency group of the lock file to install", "list", "NAME", group="locked packages"),
        Option(
            "no-default-groups", "do not install the default groups of the lock file", "flag", group="locked packages"
        ),
        Option("only-binary", "refuse to build packages of the lock file from source", "flag", group="locked packages"),
        Option(
            "keep-extra",
            "keep installed packages that the lock file does not name",
            "flag",
            negation="clear",
            group="locked packages",
        ),
        Option("no-seed", "do not install any packages", "flag", negation="lock", group="seeds"),
        Option("pip", "the version of pip to install", metavar="VERSION", group="seeds"),
        Option("seed", "an additional package to install", "list", "REQUIREMENT", group="seeds"),
        Option("no-deps", "do not install the dependencies of the seeds", "flag", group="seeds"),
        Option("download", "download the newest seeds from the index", "flag", group="seeds"),
        Option("no-download", "never use the network", "flag", negation="download", group="seeds"),
        Option(
            "compile", "compile packages to bytecode now, instead of at their next installation", "flag", group="seeds"
        ),
        Option("no-compile", "never compile packages to bytecode", "flag", negation="compile", group="seeds"),
        Option("find-links", "a directory of wheels to prefer", "list", "DIR", group="seeds"),
        STARTUP_CODE,
        Option(
            "link-mode",
            "how to install packages from the cache",
            metavar="MODE",
            choices=("auto", "clone", "hardlink", "copy", "symlink"),
            group="seeds",
        ),
        *COMPONENT_OPTIONS,
        Option("dry-run", "print the plan, but create nothing", "flag", group="output", sources="argv"),
    ),
    "[DEST]",
    0,
    1,
    aliases="cloche.cli.virtualenv_options:VIRTUALENV",
)
"""The command that runs by default."""
