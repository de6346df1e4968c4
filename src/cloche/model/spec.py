"""What a user may ask for after `-p`, and whether an interpreter satisfies it; it looks at nothing on the machine.

path             anything with a separator in it
version          3  3.12  3.12.1  312  3.14.0rc1            [python | implementation [@]] in front of it
range            >=3.10,<3.13  ~=3.11.0  !=3.12.*           PEP 440, likewise
build            t  d  td  +freethreaded  +debug  +gil  -dbg  -debug      behind a version
bits, machine    -64  -32  -x86_64  -arm64                  behind that
key              cpython-3.12.3-linux-x86_64-gnu            uv's names; `any` in any place
name             my-python                                  anything else that can be a command
"""

from __future__ import annotations

from cloche.errors import UsageError
from cloche.model.value import TYPE_CHECKING, replace, value

if TYPE_CHECKING:
    from cloche.model.interpreter import Interpreter, Version

ANY_PYTHON = ("", "any", "py", "python")
"""Words that leave the implementation open."""

IMPLEMENTATIONS = {
    "cp": "cpython",
    "cpython": "cpython",
    "gp": "graalpy",
    "graalpy": "graalpy",
    "graalvm": "graalpy",
    "pp": "pypy",
    "pypy": "pypy",
    "rustpython": "rustpython",
}
NAMES = {"cpython": "CPython", "graalpy": "GraalPy", "pypy": "PyPy", "rustpython": "RustPython"}

MACHINES = {
    "aarch64": ("aarch64", "arm64"),
    "amd64": ("x86_64", "amd64"),
    "arm64": ("aarch64", "arm64"),
    "armv7": ("armv7l", "armv8l"),
    "armv7l": ("armv7l", "armv8l"),
    "i386": ("i386", "i486", "i586", "i686", "x86"),
    "i486": ("i386", "i486", "i586", "i686", "x86"),
    "i586": ("i386", "i486", "i586", "i686", "x86"),
    "i686": ("i386", "i486", "i586", "i686", "x86"),
    "loongarch64": ("loongarch64",),
    "powerpc64le": ("ppc64le",),
    "ppc64": ("ppc64",),
    "ppc64le": ("ppc64le",),
    "riscv64": ("riscv64",),
    "s390x": ("s390x",),
    "x64": ("x86_64", "amd64"),
    "x86": ("i386", "i486", "i586", "i686", "x86"),
    "x86_64": ("x86_64", "amd64"),
}
"""Every spelling of an instruction set, with those that `platform.machine()` may have for it, in lower case."""

PLATFORMS = {"darwin": "darwin", "freebsd": "freebsd", "linux": "linux", "macos": "darwin", "win32": "win32"}
PLATFORMS["windows"] = "win32"
LIBCS = ("gnu", "gnueabi", "gnueabihf", "musl", "none")

LEVELS = {"a": "alpha", "alpha": "alpha", "b": "beta", "beta": "beta", "c": "candidate", "rc": "candidate"}
OPERATORS = "<>=!~"
GRAMMAR = "write a version (`3.12`), a range (`>=3.10,<3.13`), an implementation (`pypy3.10`), a command or a path"


@value
class InterpreterSpec:
    """One request for an interpreter. A field that is None, or empty, is left open."""

    text: str
    """As it was written."""
    path: str = ""
    """A file or a directory; nothing else is then asked."""
    name: str = ""
    """A command to be looked for on PATH; nothing else is then asked."""
    implementation: str | None = None
    release: tuple[int, ...] = ()
    """Major, minor and micro version, as many as were written."""
    prerelease: tuple[str, int] | None = None
    """Level and serial as in `sys.version_info`: `("candidate", 1)`."""
    range: str = ""
    """PEP 440 specifiers."""
    free_threaded: bool | None = False
    debug: bool | None = False
    bits: int | None = None
    machine: str | None = None
    platform: str | None = None
    """As `sys.platform` begins."""
    libc: str | None = None

    @staticmethod
    def parse(text: str) -> InterpreterSpec:
        """Return what `text` asks for.

        :raises UsageError: it is none of the forms above; the hint has the nearest one.
        """
        return parse(text)

    @property
    def is_range(self) -> bool:
        """Whether several versions are welcome alike, so that the newest is the one to take."""
        return bool(self.range)

    @property
    def is_exact(self) -> bool:
        """Whether a place is named instead of a kind of interpreter."""
        return bool(self.path or self.name)

    def accepts(self, interpreter: Interpreter) -> bool:
        return self.refusal(interpreter) is None

    def refusal(self, interpreter: Interpreter) -> str | None:
        """Return why an interpreter is not what was asked for, to be read after its path (`is 3.11.7, not 3.12`)."""
        refusal = self.refusal_of_build(
            interpreter.implementation,
            interpreter.version,
            free_threaded=interpreter.free_threaded,
            debug=interpreter.debug,
        )
        return refusal or (None if self.is_exact else self._refusal_of_machine(interpreter))

    def refusal_of_build(
        self, implementation: str, version: Version, *, free_threaded: bool, debug: bool
    ) -> str | None:
        """As `refusal`, as far as it can be told without the machine."""
        if self.is_exact:
            return None
        name = _text(version[:3], version[3:])
        if self.implementation and implementation != self.implementation:
            found, asked = (NAMES.get(one, one) for one in (implementation, self.implementation))
            return f"is {found} {name}, not {asked}"
        if self.release and version[: len(self.release)] != self.release:
            return f"is {name}, not {_text(self.release, self.prerelease)}"
        if self.prerelease and version[3:] != self.prerelease:
            return f"is {name}, not {_text(self.release, self.prerelease)}"
        if self.range and not contains(self.range, version):
            if contains(self.range, version, prereleases=True):
                return f"is {name}, a prerelease, which has to be asked for: `{name}`"
            return f"is {name}, not {self.range}"
        if version[3] != "final" and not self._welcomes_prereleases:
            return f"is {name}, a prerelease, which has to be asked for: `{name}`"
        minor = _text(version[:2], None)
        if self.free_threaded is not None and free_threaded != self.free_threaded:
            extra = f"is free-threaded, which has to be asked for: `{minor}t`"
            return extra if free_threaded else "is not free-threaded"
        if self.debug is not None and debug != self.debug:
            return f"is a debug build, which has to be asked for: `{minor}d`" if debug else "is not a debug build"
        return None

    @property
    def _welcomes_prereleases(self) -> bool:
        """A minor version may have nothing but prereleases yet; who names it gets one, if there is no release."""
        return self.free_threaded is None or bool(self.prerelease or self.range) or len(self.release) > 1

    def _refusal_of_machine(self, interpreter: Interpreter) -> str | None:
        if self.bits and interpreter.bits != self.bits:
            return f"is built for {interpreter.bits} bits, not {self.bits}"
        if self.machine and interpreter.machine.lower() not in MACHINES[self.machine]:
            return f"is built for {interpreter.machine}, not {self.machine}"
        if self.platform and not interpreter.platform.startswith(self.platform):
            return f"is built for {interpreter.platform}, not {self.platform}"
        if (self.libc, "musl" in interpreter.soabi) in (("gnu", True), ("musl", False)):
            return f"is not built for {self.libc}"
        return None


ANY = InterpreterSpec("any", free_threaded=None, debug=None)
"""Every interpreter there is."""


def parse(text: str) -> InterpreterSpec:
    """As `InterpreterSpec.parse`."""
    stripped = text.strip()
    if not stripped or any(ord(character) < 32 for character in stripped):
        raise UsageError(f"`{text!r}` names no Python" if stripped else "an empty text names no Python", hint=GRAMMAR)
    if "/" in stripped or "\\" in stripped or (stripped[0] == "~" and stripped[:2] != "~="):
        return InterpreterSpec(text, path=stripped)
    lowered = stripped.lower()
    if lowered == ANY.text:
        return ANY
    if any(character in lowered for character in "<>="):
        return _range(text, lowered)
    if spec := _release(text, lowered) or _key(text, lowered):
        return spec
    if (stripped[0].isalpha() or stripped[0] == "_") and all(
        character.isalnum() or character in "._+-" for character in stripped
    ):
        return InterpreterSpec(text, name=stripped)
    raise UsageError(f"`{text}` is not a way to ask for a Python", hint=_nearest(stripped))


def _range(text: str, lowered: str) -> InterpreterSpec:
    start = min(lowered.find(character) for character in OPERATORS if character in lowered)
    word, specifiers = lowered[:start].strip().rstrip("@"), lowered[start:]
    if word not in ANY_PYTHON and word not in IMPLEMENTATIONS:
        raise UsageError(f"`{text}` is not a range of Python versions", hint=_nearest(text))
    specifiers, traits = _build_and_machine(specifiers)
    if traits is None:
        raise UsageError(f"`{text}` is not a range of Python versions", hint=_nearest(text))
    range_text = ",".join(_widened(clause.strip()) for clause in specifiers.split(","))
    if _simple(range_text) is None:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            SpecifierSet(range_text)
        except InvalidSpecifier:
            raise UsageError(f"`{text}` is not a range of Python versions", hint=_nearest(text)) from None
    return replace(InterpreterSpec(text, implementation=IMPLEMENTATIONS.get(word), range=range_text), **traits)


def _widened(clause: str) -> str:
    """`==3.12` and `!=3.12` speak of every 3.12, as nobody means 3.12.0 alone by them."""
    for operator in ("===", "==", "!="):
        if clause.startswith(operator):
            release = clause[len(operator) :].strip()
            if all(part.isdigit() for part in release.split(".")) and release.count(".") < 2:
                return f"{operator[:2]}{release}.*"
            return clause
    return clause


def contains(range_text: str, version: Version, *, prereleases: bool = False) -> bool:
    """Whether PEP 440 specifiers contain a version; a prerelease only if they speak of one, or with `prereleases`."""
    if version[3] == "final" and (clauses := _simple(range_text)) is not None:
        release = version[:3]
        return all(release >= bound if operator == ">=" else release < bound for operator, bound in clauses)
    from packaging.specifiers import SpecifierSet

    specifiers = SpecifierSet(range_text)
    return specifiers.contains(_text(version[:3], version[3:]), prereleases=prereleases or bool(specifiers.prereleases))


def _simple(range_text: str) -> list[tuple[str, tuple[int, ...]]] | None:
    """Return the clauses of a range that has `>=` and `<` only, which needs no `packaging` (20 ms to load)."""
    clauses: list[tuple[str, tuple[int, ...]]] = []
    for clause in range_text.split(","):
        operator = ">=" if clause.startswith(">=") else "<"
        parts = clause.removeprefix(operator).split(".")
        if (
            not clause.startswith(operator)
            or len(parts) > 3
            or not all(part.isascii() and part.isdigit() for part in parts)
        ):
            return None
        release = tuple(map(int, parts))
        clauses.append((operator, (*release, 0, 0)[:3]))
    return clauses


def _release(text: str, lowered: str) -> InterpreterSpec | None:
    """`[implementation[@]][version][build][-bits][-machine]`, or None."""
    length = next((at for at, character in enumerate(lowered) if not character.isalpha()), len(lowered))
    word, rest = lowered[:length], lowered[length:]
    if word not in ANY_PYTHON and word not in IMPLEMENTATIONS:
        return None
    if rest.startswith("@") and not (rest := rest[1:]):
        return None
    version, traits = _build_and_machine(rest)
    if traits is None:
        return None
    parsed = _version(version) if version else ((), None)
    if parsed is None:
        return None
    traits.update(release=parsed[0], prerelease=parsed[1])
    return replace(InterpreterSpec(text, implementation=IMPLEMENTATIONS.get(word)), **traits)


def _key(text: str, lowered: str) -> InterpreterSpec | None:
    """`implementation-version-platform-machine-libc`, from the left, each of them `any` if need be; or None."""
    word, *segments = lowered.split("-")
    if (word not in ANY_PYTHON and word not in IMPLEMENTATIONS) or not 1 <= len(segments) <= 4:
        return None
    version, platform, machine, libc = (
        "" if part == "any" else part for part in [*segments, *["any"] * (4 - len(segments))]
    )
    number, traits = _build_and_machine(version)
    parsed = _version(number) if number else ((), None)
    known = (not platform or platform in PLATFORMS, not machine or machine in MACHINES, not libc or libc in LIBCS)
    if traits is None or parsed is None or not all(known):
        return None
    traits.update(release=parsed[0], prerelease=parsed[1])
    traits.update(machine=machine or None, platform=PLATFORMS.get(platform), libc=libc or None)
    return replace(InterpreterSpec(text, implementation=IMPLEMENTATIONS.get(word)), **traits)


def _build_and_machine(text: str) -> tuple[str, dict[str, object] | None]:
    """Take what stands behind a version off it; the second is None if it makes no sense."""
    traits: dict[str, object] = {}
    while "-" in text:
        text, _, word = text.rpartition("-")
        if word in ("32", "64") and "bits" not in traits:
            traits["bits"] = int(word)
        elif word in MACHINES and "machine" not in traits:
            traits["machine"] = word
        elif word in ("dbg", "debug") and "debug" not in traits:
            traits["debug"] = True
        else:
            return text, None
    text, *variants = text.split("+")
    for variant in variants:
        if variant == "freethreaded":
            traits["free_threaded"] = True
        elif variant == "debug":
            traits["debug"] = True
        elif variant != "gil":
            return text, None
    for letter, trait in (("d", "debug"), ("t", "free_threaded")):
        if len(text) > 1 and text.endswith(letter) and (text[-2].isdigit() or text[-2:] == "td" or text[-2] == "*"):
            text, traits[trait] = text[:-1], True
    return text.strip(), traits


def _version(text: str) -> tuple[tuple[int, ...], tuple[str, int] | None] | None:
    """`3`, `3.12`, `3.12.1`, `312`, `3.14rc1`, `3.14.0rc1`."""
    length = next((at for at, character in enumerate(text) if character not in "0123456789."), len(text))
    numbers, suffix = text[:length], text[length:]
    if not numbers or any(not part or len(part) > 4 for part in numbers.split(".")) or numbers.count(".") > 2:
        return None
    if "." not in numbers and len(numbers) > 1:
        numbers = f"{numbers[0]}.{numbers[1:]}"
    release = tuple(map(int, numbers.split(".")))
    if not suffix:
        return release, None
    level = suffix.rstrip("0123456789")
    serial = suffix[len(level) :]
    if level not in LEVELS or not serial or len(serial) > 3 or len(release) < 2:
        return None
    return (*release, 0)[:3], (LEVELS[level], int(serial))


def _text(release: tuple[int, ...], suffix: tuple[str, int] | None) -> str:
    level, serial = suffix or ("final", 0)
    letters = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(level, "")
    return f"{'.'.join(map(str, release))}{letters}{serial if letters else ''}"


def _nearest(text: str) -> str:
    """The form that is nearest to what was written, as a hint."""
    if text.startswith("."):
        return f"a path has a separator in it: `./{text}`"
    lowered = text.strip().lower()
    if any(character in lowered for character in "<>="):
        for wrong, right in (("=>", ">="), ("=<", "<="), ("=", ""), ("=", "==")):
            guess = lowered.replace(wrong, right, 1)
            if lowered.startswith(wrong) and not lowered.startswith("==") and _parses(guess):
                return f"did you mean `{guess}`?"
        words = lowered.replace(",", " ").split()
        joined: list[str] = []
        for word in words:
            if joined and not any(character in OPERATORS for character in word):
                joined[-1] += word
            else:
                joined.append(word)
        guess = ",".join(joined)
        if guess != lowered and _parses(guess):
            return f"did you mean `{guess}`?"
        return "a range is written as in `>=3.10,<3.13`"
    digits = "".join(character if character.isdigit() or character == "." else " " for character in lowered).split()
    for number in digits:
        guess = ".".join(part for part in number.split(".") if part)
        guess = ".".join(guess.split(".")[:3])
        if guess and guess != lowered and _version(guess):
            return f"did you mean `{guess}`?"
    return GRAMMAR


def _parses(text: str) -> bool:
    try:
        parse(text)
    except UsageError:
        return False
    return True
