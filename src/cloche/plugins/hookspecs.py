"""The hooks that a plugin may implement, and the protocols of what it returns.

A plugin is a module, or any object, that an entry point of group `cloche` names. It imports `hookimpl` from `cloche`,
implements the hooks it needs and returns components, which describe. The core selects and performs. A component inherits
from nothing, and never writes into an environment. `:since:` is the version of cloche that introduced a hook.

Instead of an object, a hook may return a `Descriptor`, whose object is imported only when it is used. This is the faster
way: a run whose plan is cached then needs neither the plugin nor pluggy. A hook that returns descriptors is called again
when a file of its plugin changes, so it must not decide anything else. A plugin that returns objects, or implements
`cloche_created`, is loaded on every run.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Protocol, TypeVar, overload

    from cloche.model.distribution import Image
    from cloche.model.environment import Environment, Layout, Script
    from cloche.model.interpreter import Candidate, Host, Interpreter
    from cloche.model.operations import Operation
    from cloche.model.options import Option
    from cloche.model.plan import Result
    from cloche.model.request import Wanted
    from cloche.model.spec import InterpreterSpec

    F = TypeVar("F", bound=Callable[..., Any])
else:
    Protocol = object  # `typing` costs 5 ms, and is for those who check types

PROJECT = "cloche"
"""Name of the pluggy project and of the entry-point group."""

API_VERSION = 1
"""Increased when plugins written for an earlier version would break, and not when hooks or arguments are added."""


def hookspec(function: F) -> F:
    """Mark a hook as `pluggy.HookspecMarker` does."""
    options = {"firstresult": False, "historic": False, "warn_on_impl": None, "warn_on_impl_args": None}
    setattr(function, f"{PROJECT}_spec", options)
    return function


if TYPE_CHECKING:

    @overload
    def hookimpl(
        function: F,
        hookwrapper: bool = ...,
        optionalhook: bool = ...,
        tryfirst: bool = ...,
        trylast: bool = ...,
        specname: str | None = ...,
        wrapper: bool = ...,
    ) -> F: ...

    @overload
    def hookimpl(
        function: None = ...,
        hookwrapper: bool = ...,
        optionalhook: bool = ...,
        tryfirst: bool = ...,
        trylast: bool = ...,
        specname: str | None = ...,
        wrapper: bool = ...,
    ) -> Callable[[F], F]: ...


def hookimpl(
    function: F | None = None,
    hookwrapper: bool = False,
    optionalhook: bool = False,
    tryfirst: bool = False,
    trylast: bool = False,
    specname: str | None = None,
    wrapper: bool = False,
) -> F | Callable[[F], F]:
    """Mark a function as the implementation of a hook: `@hookimpl`, or with pluggy's options `@hookimpl(tryfirst=True)`.

    It leaves the mark that `pluggy.HookimplMarker` leaves, so that a plugin can be imported without pluggy, whose import
    takes longer than creating an environment.
    """

    def mark(function: F) -> F:
        options = {
            "wrapper": wrapper,
            "hookwrapper": hookwrapper,
            "optionalhook": optionalhook,
            "tryfirst": tryfirst,
            "trylast": trylast,
            "specname": specname,
        }
        setattr(function, f"{PROJECT}_impl", options)
        return function

    return mark if function is None else mark(function)


@value
class Descriptor:
    """Stands for a finder, creator, seeder or activator whose module is imported only when it is used."""

    name: str
    implementation: str
    """`"package.module:attribute"` of the object itself."""
    summary: str = ""
    """What it is for, as a lower-case fragment."""
    options: tuple[Option, ...] = ()
    replaces: str = ""
    """Name of the built-in component that it replaces, if the user's settings agree (`replace = ["bash=name"]`)."""


@value
class Command:
    """A command that a plugin adds: `cloche NAME`."""

    name: str
    summary: str
    implementation: str
    """`"package.module:attribute"` of a function `(argv: list[str], host: Host) -> int`, which returns the exit code."""


class Finder(Protocol):
    """Looks in one kind of place for executables that may be interpreters. It reads, and starts nothing.

    Finders are asked in every search.
    """

    name: str

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        """Yield candidates, the preferred one first. Those that cannot satisfy `spec` may be left out."""


class Creator(Protocol):
    """Says which operations create an environment, without seeds and scripts.

    A creator may have a method `inputs(interpreter, layout)`, which returns the paths of the files and directories that
    its answer depends on. A directory stands for its list of names and the files in it. As long as they are unchanged, a
    plan is reused. Without the method, the creator is asked on every run.
    """

    name: str

    def refusal(self, interpreter: Interpreter) -> str | None:
        """Return why it does not support this interpreter (`needs CPython, got PyPy 3.9.16`), None if it does."""

    def operations(self, interpreter: Interpreter, layout: Layout) -> Iterable[Operation]:
        """Return the operations in the order in which they are performed. It may read the base interpreter."""


class SeedStore(Protocol):
    """The cache of wheels and images, as a seeder sees it."""

    def image_of(self, wheel: str, interpreter: Interpreter) -> Image:
        """Return the image of a wheel file (its path) for an interpreter, built now unless there is one.

        :raises cloche.errors.SeedError: the wheel is damaged or hostile, or the interpreter cannot compile it.
        """

    def images_for(self, wanted: Wanted, interpreter: Interpreter) -> list[Image]:
        """Return one image per requirement, as the built-in seeder `pip` does.

        :raises cloche.errors.SeedError: one cannot be found, is damaged, or cannot be compiled.
        :raises cloche.errors.UsageError: a requirement is not `NAME` or `NAME==VERSION`.
        """


class Seeder(Protocol):
    """Says which images (unpacked wheels) are installed into an environment.

    A seeder may have a method `inputs(interpreter, wanted, store)`; see `Creator`. The store records what it reads itself:
    a wheel for which an image was requested need not be declared, but the directory in which it was found does.
    """

    name: str

    def refusal(self, interpreter: Interpreter) -> str | None:
        """Return why it does not support this interpreter (`has no wheels for PyPy`), None if it does."""

    def images(self, interpreter: Interpreter, wanted: Wanted, store: SeedStore) -> Iterable[Image]:
        """Return one image per distribution, all of them from `store`.

        :raises cloche.errors.SeedError: a requirement cannot be found; the message says what was tried.
        """


class Activator(Protocol):
    """Returns the scripts that activate an environment in one shell. It is asked on every run.

    An activator may also have these attributes:

    - `shells`: the names of the programs that read its scripts, if they differ from its own `name`;
    - `script_names`: the file names of all scripts in the shell's language, whoever wrote them. The one to activate with
      comes first. Without it, they are the names that `scripts` gives;
    - `read_words(line)`: yields a `cloche.shells.words.Word` for each word of a line that stands for a known text.
      Without it, only words that `quote` has written are found when an environment moves.
    """

    name: str

    def refusal(self, interpreter: Interpreter) -> str | None:
        """Return why it has no scripts for this interpreter (`for Windows only`), None if it has."""

    def quote(self, text: str) -> str:
        """Return `text` as one word of the shell's syntax, quotes included, with nothing in it expanded.

        :raises cloche.errors.Inexpressible: the syntax has no way to write it.
        """

    def scripts(self, environment: Environment) -> Iterable[Script]:
        """Return the scripts as text; most activators render a template with `environment.values`."""

    def source_line(self, path: str) -> str:
        """Return the command that a user types to activate, given the path of the script.

        The path is absolute, or relative to the current directory. It does not begin with `-` or `~`. An activator that
        was written before cloche asked for this works without it, and cloche does not tell how to use its script.

        :raises cloche.errors.Inexpressible: the path cannot be typed in this shell.
        """


@hookspec
def cloche_finders() -> Iterable[Finder | Descriptor]:
    """Return finders. They are asked after the built-in ones, in the order of their distributions and names.

    An implementation with `tryfirst=True` is asked before the built-in ones.

    :since: 0.1

    Example::

        @cloche.hookimpl
        def cloche_finders():
            return [OptFinder()]
    """
    return ()


@hookspec
def cloche_creators() -> Iterable[Creator | Descriptor]:
    """Return creators: ways to create an environment, chosen with `--creator NAME`.

    :since: 0.1

    Example::

        @cloche.hookimpl
        def cloche_creators():
            return [cloche.Descriptor("copy-once", "acme.copying:creator", summary="copies the executable")]
    """
    return ()


@hookspec
def cloche_seeders() -> Iterable[Seeder | Descriptor]:
    """Return seeders: ways to put the first packages into an environment, chosen with `--seeder NAME`.

    :since: 0.1

    Example::

        @cloche.hookimpl
        def cloche_seeders():
            return [WheelhouseSeeder()]
    """
    return ()


@hookspec
def cloche_activators() -> Iterable[Activator | Descriptor]:
    """Return activators. All that do not refuse are used, or those named with `--activators`.

    :since: 0.1

    Example::

        @cloche.hookimpl
        def cloche_activators():
            return [Elvish()]
    """
    return ()


@hookspec
def cloche_commands() -> Iterable[Command]:
    """Return commands. One with the name of a built-in command is never run.

    A command is found at once if an entry point with its name leads to the plugin (`freeze = "acme.plugin"`). Otherwise
    every plugin whose module mentions this hook is imported to find it.

    :since: 0.1

    Example::

        @cloche.hookimpl
        def cloche_commands():
            return [cloche.Command("freeze", "print what is installed", "acme.freeze:main")]
    """
    return ()


@hookspec
def cloche_created(result: Result) -> None:
    """Act on an environment that is in place. An error here is a warning and never a failure.

    :since: 0.1

    Example::

        @cloche.hookimpl
        def cloche_created(result):
            (result.environment.root / ".envrc").write_text("source bin/activate")
    """
