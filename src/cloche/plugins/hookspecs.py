"""The hooks that a plugin may implement, and the protocols of the components that it returns.

A plugin is a module, or any other object, that an entry point of group `cloche` refers to. It imports `hookimpl` from
`cloche`, implements the hooks it needs and returns components. Components describe what to do; the core chooses between
them and does it. They need no base class, and never write to an environment. `:since:` is the version of cloche that
introduced a hook.

Instead of an object, a hook may return a `Descriptor`, whose object is imported only when it is used. This is faster: a
run with a cached plan then needs neither the plugin nor pluggy. The result is cached until a file of the plugin changes,
so it must not depend on anything else. A plugin that returns objects, or implements `cloche_created`, is loaded on every
run.
"""

from __future__ import annotations

from cloche.model.value import TYPE_CHECKING, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Protocol, TypeVar, overload

    from cloche.model.archive import Member
    from cloche.model.candidate import Candidate
    from cloche.model.distribution import Image
    from cloche.model.environment import Environment, Layout, Script
    from cloche.model.interpreter import Host, Interpreter
    from cloche.model.operations import Operation
    from cloche.model.options import Option
    from cloche.model.plan import Result, Wanted
    from cloche.model.spec import InterpreterSpec

    F = TypeVar("F", bound=Callable[..., Any])
else:
    Protocol = object  # `typing` takes 5 ms to import, and only type checkers need it

PROJECT = "cloche"
"""The name of the pluggy project and of the entry-point group."""

API_VERSION = 1
"""Incremented by changes that break plugins for earlier versions; not by new hooks or arguments."""


def hookspec(function: F) -> F:
    """Mark a function as the specification of a hook, as `pluggy.HookspecMarker` does."""
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

    It sets the same attribute as `pluggy.HookimplMarker`, so that plugins can be imported without pluggy, whose import takes
    longer than creating an environment.
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


class Descriptor(Value):
    """Describes a finder, creator, seeder, activator or packer whose module is imported only when it is used."""

    name: str
    implementation: str
    """A reference to the object: `"package.module:attribute"`."""
    summary: str = ""
    """What it does, as a lower-case fragment."""
    options: tuple[Option, ...] = ()
    replaces: str = ""
    """Name of the built-in component that it replaces if the user allows it in the settings (`replace = ["bash=name"]`)."""


class Command(Value):
    """A command that a plugin adds: `cloche NAME`."""

    name: str
    summary: str
    implementation: str
    """A reference, `"package.module:attribute"`, to a function `(argv: list[str], host: Host) -> int`, which returns the exit
    code."""


class Finder(Protocol):
    """Looks for executables that may be interpreters in one kind of location. It reads files, but starts no program.

    Finders are asked in every search. One that finds something on a single system only may have an attribute `platform`, the
    `sys.platform` of that system; errors then do not name it elsewhere.
    """

    name: str

    def candidates(self, spec: InterpreterSpec, host: Host) -> Iterator[Candidate]:
        """Yield candidates, the preferred one first. It may leave out those that cannot satisfy `spec`."""


class Creator(Protocol):
    """Returns the operations that create an environment, without seeds and scripts.

    A creator may have a method `inputs(interpreter, layout)`, which returns the paths of the files and directories that the
    operations depend on. For a directory, the names in it and the content of its files count. A plan is reused as long as
    they are unchanged. A creator without the method is asked on every run.

    A creator of environments that contain their interpreter has a method `runtime(interpreter, layout)`, which returns a
    `cloche.model.runtime.Runtime`: the files of the interpreter, and how to edit them. The store keeps them, with their
    bytecode, for all environments of that interpreter. The environment is relocatable, and its `pyvenv.cfg` has no `home`.
    """

    name: str

    def refusal(self, interpreter: Interpreter) -> str | None:
        """Return why it does not support this interpreter (`needs CPython, got PyPy 3.9.16`); None if it does."""

    def operations(self, interpreter: Interpreter, layout: Layout) -> Iterable[Operation]:
        """Return the operations in the order in which they are performed. It may read files of the base interpreter."""


class SeedStore(Protocol):
    """The cache of wheels and images, as a seeder sees it."""

    def image_of(self, wheel: str, interpreter: Interpreter) -> Image:
        """Return the image of a wheel, given the path of its file, for an interpreter; it is built if it does not exist.

        :raises cloche.errors.SeedError: the wheel is damaged or unsafe, or the interpreter cannot compile it.
        """

    def images_for(self, wanted: Wanted, interpreter: Interpreter) -> list[Image]:
        """Return the images of the requirements and of their dependencies, as the built-in seeder `pip` does.

        :raises cloche.errors.SeedError: one cannot be found, is damaged, or cannot be compiled.
        :raises cloche.errors.UsageError: a requirement is not `NAME` or `NAME==VERSION`.
        """

    def locked_images(self, wanted: Wanted, interpreter: Interpreter) -> list[Image]:
        """Return one image for each package of the lock file `wanted.lock`, as the built-in seeder `lock` does.

        :raises cloche.errors.SeedError: a file cannot be found, does not match its hash, or is damaged.
        :raises cloche.errors.UsageError: the lock file is not valid.
        """


class Seeder(Protocol):
    """Returns the images (unpacked wheels) to install into an environment.

    A seeder may have a method `inputs(interpreter, wanted, store)`; see `Creator`. The store records the files that it reads
    itself. So the method need not return the wheels that the seeder passes to `image_of`, but it must return the directories
    in which it looked for them.
    """

    name: str

    def refusal(self, interpreter: Interpreter) -> str | None:
        """Return why it does not support this interpreter (`has no wheels for PyPy`); None if it does."""

    def images(self, interpreter: Interpreter, wanted: Wanted, store: SeedStore) -> Iterable[Image]:
        """Return one image per distribution; all images come from `store`.

        :raises cloche.errors.SeedError: a requirement cannot be found; the message says what was tried.
        """


class Activator(Protocol):
    """Returns the scripts that activate an environment in one shell. It is asked for them on every run.

    An activator may also have these attributes:

    - `inputs(interpreter)`: returns the paths of the files and directories that `refusal` depends on; see `Creator`. An
      activator that refused the interpreter is asked again only if one of them has changed; without `inputs`, on every run;
    - `source_line(path)`: returns the command that a user types to activate, given the path of the script, which is absolute or
      relative to the current directory, and does not begin with `-` or `~`. It raises `cloche.errors.Inexpressible` if the
      path cannot be typed in this shell. Without it, cloche does not print how to activate the environment;
    - `shells`: the names of the programs that read its scripts, if they differ from its own `name`;
    - `script_names`: the file names of all activation scripts for the shell, including those of other tools. The one that
      users source comes first. The default is the names of the scripts that `scripts` returns;
    - `read_words(line)`: yields a `cloche.shells.words.Word` for each word of a line whose text is known. Without it, only
      words that `quote` wrote are found when an environment is moved;
    - `joins_quoted`: whether adjacent quoted texts are one word in the shell, so that `'a'"b"` is `ab`. The default is False.
    """

    name: str

    def refusal(self, interpreter: Interpreter) -> str | None:
        """Return why it has no scripts for this interpreter (`for Windows only`); None if it has some."""

    def quote(self, text: str) -> str:
        """Return `text` as one word in the shell's syntax, with quotes, so that the shell expands nothing in it.

        :raises cloche.errors.Inexpressible: the syntax cannot express the text.
        """

    def scripts(self, environment: Environment) -> Iterable[Script]:
        """Return the scripts as text; most activators render a template with `environment.values`."""


class Packer(Protocol):
    """Writes an archive in one format. It knows nothing about environments."""

    name: str
    """The name of the format, for `--format`: `tar.gz`."""
    suffix: str
    """The end of the file names for which the format is the default: `.tar.gz`; empty for none."""

    def refusal(self) -> str | None:
        """Return why it cannot be used on this machine (`needs the program mksquashfs`); None if it can."""

    def write(self, members: Iterable[Member], path: str) -> None:
        """Write an archive.

        The members are in their final order, and a directory comes before what it contains. Read the content of a file before
        you take the next member. The same members must always result in the same bytes.

        :param path: the absolute path of the file or directory to create, in an empty directory that nothing else uses. cloche
            renames it when it is complete, and removes it if the method fails.
        :raises cloche.errors.ClocheError: the format cannot hold a member; the message names it.
        :raises OSError: the archive cannot be written.
        """


@hookspec
def cloche_finders() -> Iterable[Finder | Descriptor]:
    """Return finders. They are asked after the built-in ones, sorted by distribution and name.

    Those of an implementation with `tryfirst=True` are asked before the built-in ones.

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
    """Return seeders: ways to install seeds, the first packages, into an environment, chosen with `--seeder NAME`.

    :since: 0.1

    Example::

        @cloche.hookimpl
        def cloche_seeders():
            return [WheelhouseSeeder()]
    """
    return ()


@hookspec
def cloche_activators() -> Iterable[Activator | Descriptor]:
    """Return activators. All that support the interpreter are used, unless the user chooses some with `--activators`.

    :since: 0.1

    Example::

        @cloche.hookimpl
        def cloche_activators():
            return [Elvish()]
    """
    return ()


@hookspec
def cloche_packers() -> Iterable[Packer | Descriptor]:
    """Return packers: formats of the file that `cloche pack` writes, chosen with `--format NAME` or by the suffix.

    :since: 0.2

    Example::

        @cloche.hookimpl
        def cloche_packers():
            return [cloche.Descriptor("tar.xz", "acme.packing:packer", summary="tar, compressed with xz")]
    """
    return ()


@hookspec
def cloche_commands() -> Iterable[Command]:
    """Return commands. One with the name of a built-in command is never run.

    A command is found fastest if the plugin has an entry point of the same name (`freeze = "acme.plugin"`). Otherwise every
    plugin whose module mentions this hook is imported to find it.

    :since: 0.1

    Example::

        @cloche.hookimpl
        def cloche_commands():
            return [cloche.Command("freeze", "print what is installed", "acme.freeze:main")]
    """
    return ()


@hookspec
def cloche_created(result: Result) -> None:
    """Act on an environment that `cloche DEST` or `cloche.create` has created or changed. A failure is only a warning.

    It is not called for an environment that is up to date with its lock file.

    :since: 0.1

    Example::

        @cloche.hookimpl
        def cloche_created(result):
            with open(os.path.join(result.environment.location, ".envrc"), "w") as file:
                file.write("source bin/activate")
    """


@hookspec
def cloche_moved(environment: Environment, old: str) -> None:
    """Act on an environment that `cloche move` has moved or copied. A failure is only a warning.

    `environment` is the environment at its new path; `old` is its previous absolute path, which still exists after `--copy`.

    :since: 0.2

    Example::

        @cloche.hookimpl
        def cloche_moved(environment, old):
            print(f"{old} is now {environment.location}")
    """
