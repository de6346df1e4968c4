"""Python requests: the values of `-p`, and whether an interpreter satisfies one. Nothing is read from disk.

path             any text with a separator, or that begins with `~`
version          3  3.12  3.12.1  312  v3.12  3.14.0rc1     may follow `python` or an implementation, with or without `@`
range            >=3.10,<3.13  ~=3.11.0  !=3.12.*           PEP 440; may follow the same words
build            t  d  td  +freethreaded  +debug  +gil  -dbg  -debug      after a version
bits, machine    -64  -32  -x86_64  -arm64                  after the build
key              cpython-3.12.3-linux-x86_64-gnu            uv's name of an installation; each part may be `any`
name             my-python                                  any other text that can be a command
system           the first `python3` or `python` on PATH    as pyenv means it
"""

from __future__ import annotations

from cloche.errors import UsageError
from cloche.model.value import TYPE_CHECKING, Value, replace

if TYPE_CHECKING:
    from cloche.model.aliases import Version
    from cloche.model.interpreter import Interpreter

ANY_IMPLEMENTATION = ("", "any", "py", "python")
"""Words that match every implementation."""

DEFAULT = "default"
"""uv's word for `python`."""

SYSTEM = "system"
"""The request for a Python on PATH that no version manager provides, as in pyenv."""

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
"""Each name of an instruction set, with the values of `platform.machine()` that it matches, in lower case."""

PLATFORMS = {"darwin": "darwin", "freebsd": "freebsd", "linux": "linux", "macos": "darwin", "win32": "win32"}
PLATFORMS["windows"] = "win32"
LIBCS = ("gnu", "gnueabi", "gnueabihf", "musl", "none")

LEVELS = {"a": "alpha", "alpha": "alpha", "b": "beta", "beta": "beta", "c": "candidate", "rc": "candidate"}
OPERATORS = "<>=!~"
FORMS = "write a version (`3.12`), a range (`>=3.10,<3.13`), an implementation (`pypy3.10`), a command or a path"


class InterpreterSpec(Value):
    """One request for an interpreter. A field that is None or empty matches everything."""

    text: str
    """The text of the request."""
    path: str = ""
    """A file or a directory; all other fields are then empty."""
    name: str = ""
    """A command on PATH; all other fields are then empty. For `system`, it is `python3`."""
    implementation: str | None = None
    release: tuple[int, ...] = ()
    """Major, minor and micro version; only the numbers in the request."""
    prerelease: tuple[str, int] | None = None
    """Level and serial as in `sys.version_info`: `("candidate", 1)`."""
    range: str = ""
    """PEP 440 specifiers."""
    free_threaded: bool | None = False
    debug: bool | None = False
    bits: int | None = None
    machine: str | None = None
    platform: str | None = None
    """A prefix of `sys.platform`."""
    libc: str | None = None

    @staticmethod
    def parse(text: str) -> InterpreterSpec:
        """Parse a request.

        :raises UsageError: `text` has none of these forms; the hint suggests one.
        """
        return parse_spec(text)

    @property
    def is_range(self) -> bool:
        """Whether it is a range, of which the newest version is preferred."""
        return bool(self.range)

    @property
    def is_exact(self) -> bool:
        """Whether it names one executable, by path or command, instead of a kind of interpreter."""
        return bool(self.path or self.name)

    @property
    def is_system(self) -> bool:
        """Whether it asks for a Python on PATH that no version manager provides."""
        return self.name == "python3"

    def accepts(self, interpreter: Interpreter) -> bool:
        """Return whether an interpreter satisfies the request."""
        return self.refusal(interpreter) is None

    def refusal(self, interpreter: Interpreter) -> str | None:
        """Return why an interpreter does not satisfy the request; None if it does.

        The text continues a sentence that begins with the interpreter's path: `is 3.11.7, not 3.12`.
        """
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
        """Return why a build does not satisfy the request, regardless of its bits, machine, platform and C library."""
        if self.is_exact:
            return None
        name = _format_version(version[:3], version[3:])
        if self.implementation and implementation != self.implementation:
            found, wanted = (NAMES.get(each, each) for each in (implementation, self.implementation))
            return f"is {found} {name}, not {wanted}"
        if self.release and version[: len(self.release)] != self.release:
            return f"is {name}, not {_format_version(self.release, self.prerelease)}"
        if self.prerelease and version[3:] != self.prerelease:
            return f"is {name}, not {_format_version(self.release, self.prerelease)}"
        if self.range and not range_contains(self.range, version):
            if range_contains(self.range, version, prereleases=True):
                return f"is {name}, a prerelease; to allow it, request `{name}`"
            return f"is {name}, not {self.range}"
        if version[3] != "final" and not self._allows_prereleases:
            return f"is {name}, a prerelease; to allow it, request `{name}`"
        own = f"{_format_version(version[:2], None)}{'t' * free_threaded}{'d' * debug}"
        if self.free_threaded is not None and free_threaded != self.free_threaded:
            refusal = f"is free-threaded; to allow it, request `{own}`"
            return refusal if free_threaded else "is not free-threaded"
        if self.debug is not None and debug != self.debug:
            return f"is a debug build; to allow it, request `{own}`" if debug else "is not a debug build"
        return None

    @property
    def _allows_prereleases(self) -> bool:
        """Whether a prerelease can match. It can if the request has a minor version, which may not be released yet."""
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
"""The request that every interpreter satisfies."""


def parse_spec(text: str) -> InterpreterSpec:
    """Parse a request; see `InterpreterSpec.parse`."""
    stripped = text.strip()
    in_home = stripped[:1] == "~" and stripped[1:2] not in tuple("=0123456789")
    is_path = "/" in stripped or "\\" in stripped or in_home
    if not stripped:
        raise UsageError("the Python request is empty", hint=FORMS)
    if any(character == "\0" or (character < " " and not is_path) for character in stripped):
        raise UsageError(f"the Python request `{text!r}` contains control characters", hint=FORMS)
    if is_path:
        return InterpreterSpec(text, path=text)
    lowered = stripped.lower()
    if lowered == ANY.text:
        return ANY
    if lowered == SYSTEM:
        return InterpreterSpec(text, name="python3")
    if any(character in lowered for character in "<>="):
        return _parse_range(text, lowered)
    if lowered == DEFAULT:
        return InterpreterSpec(text)
    if lowered[0] == "v" and lowered[1:2].isdigit():  # as uv and Git tags write it
        lowered = lowered[1:]
    if spec := _parse_release(text, lowered) or _parse_uv_key(text, lowered):
        return spec
    if (stripped[0].isalpha() or stripped[0] == "_") and all(
        character.isalnum() or character in "._+-" for character in stripped
    ):
        return InterpreterSpec(text, name=stripped)
    raise UsageError(f"`{text}` is not a valid Python request", hint=_suggestion(stripped))


def _parse_range(text: str, lowered: str) -> InterpreterSpec:
    start = min(lowered.find(character) for character in OPERATORS if character in lowered)
    word, specifiers = lowered[:start].strip().rstrip("@"), lowered[start:]
    if word not in ANY_IMPLEMENTATION and word not in IMPLEMENTATIONS:
        raise UsageError(f"`{text}` is not a valid range of Python versions", hint=_suggestion(text))
    specifiers, traits = _split_traits(specifiers)
    if traits is None:
        raise UsageError(f"`{text}` is not a valid range of Python versions", hint=_suggestion(text))
    range_text = ",".join(_widen_to_minor(clause.strip()) for clause in specifiers.split(","))
    if _simple_clauses(range_text) is None:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            SpecifierSet(range_text)
        except InvalidSpecifier:
            raise UsageError(f"`{text}` is not a valid range of Python versions", hint=_suggestion(text)) from None
    return replace(InterpreterSpec(text, implementation=IMPLEMENTATIONS.get(word), range=range_text), **traits)


def _widen_to_minor(clause: str) -> str:
    """Return a clause in which `==3.12` and `!=3.12` mean every 3.12, because users rarely mean only 3.12.0."""
    for operator in ("===", "==", "!="):
        if clause.startswith(operator):
            release = clause[len(operator) :].strip()
            if all(part.isdigit() for part in release.split(".")) and release.count(".") < 2:
                return f"{operator[:2]}{release}.*"
            return clause
    return clause


def range_contains(range_text: str, version: Version, *, prereleases: bool = False) -> bool:
    """Return whether a PEP 440 range contains a version.

    A prerelease is contained only if the range names one, or if `prereleases` is true.
    """
    if version[3] == "final" and (clauses := _simple_clauses(range_text)) is not None:
        release = version[:3]
        return all(release >= bound if operator == ">=" else release < bound for operator, bound in clauses)
    from packaging.specifiers import SpecifierSet

    specifiers = SpecifierSet(range_text)
    return specifiers.contains(
        _format_version(version[:3], version[3:]), prereleases=prereleases or bool(specifiers.prereleases)
    )


def _simple_clauses(range_text: str) -> list[tuple[str, tuple[int, ...]]] | None:
    """Return the clauses of a range of only `>=` and `<`, as operator and version; None for any other range.

    Such a range can be compared without `packaging`, which takes 20 ms to import.
    """
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


def _parse_release(text: str, lowered: str) -> InterpreterSpec | None:
    """Parse `[implementation[@]][version][build][-bits][-machine]`; return None if the text has another form."""
    length = next((at for at, character in enumerate(lowered) if not character.isalpha()), len(lowered))
    word, rest = lowered[:length], lowered[length:]
    if word not in ANY_IMPLEMENTATION and word not in IMPLEMENTATIONS:
        return None
    if rest.startswith("@") and not (rest := rest[1:]):
        return None
    version, traits = _split_traits(rest)
    if traits is None or not (word or version):
        return None
    parsed = _parse_version(version) if version else ((), None)
    if parsed is None:
        return None
    traits.update(release=parsed[0], prerelease=parsed[1])
    return replace(InterpreterSpec(text, implementation=IMPLEMENTATIONS.get(word)), **traits)


def _parse_uv_key(text: str, lowered: str) -> InterpreterSpec | None:
    """Parse `implementation-version-platform-machine-libc`; return None if the text has another form.

    Parts may be missing at the end, and each may be `any`.
    """
    word, *segments = lowered.split("-")
    if (word not in ANY_IMPLEMENTATION and word not in IMPLEMENTATIONS) or not 1 <= len(segments) <= 4:
        return None
    if not word or "" in segments:  # an option that was taken for the value of `-p`
        return None
    version, platform, machine, libc = (
        "" if part == "any" else part for part in [*segments, *["any"] * (4 - len(segments))]
    )
    number, traits = _split_traits(version)
    parsed = _parse_version(number) if number else ((), None)
    known = (not platform or platform in PLATFORMS, not machine or machine in MACHINES, not libc or libc in LIBCS)
    if traits is None or parsed is None or not all(known):
        return None
    traits.update(release=parsed[0], prerelease=parsed[1])
    traits.update(machine=machine or None, platform=PLATFORMS.get(platform), libc=libc or None)
    return replace(InterpreterSpec(text, implementation=IMPLEMENTATIONS.get(word)), **traits)


def _split_traits(text: str) -> tuple[str, dict[str, object] | None]:
    """Split a text into the version and the traits after it, as fields of the spec; None if a trait is not valid."""
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


def _parse_version(text: str) -> tuple[tuple[int, ...], tuple[str, int] | None] | None:
    """Parse `3`, `3.12`, `3.12.1`, `312`, `3.14rc1` or `3.14.0rc1` into release and prerelease; None for another form."""
    length = next((at for at, character in enumerate(text) if character not in "0123456789."), len(text))
    numbers, suffix = text[:length], text[length:]
    if not numbers or any(not part or len(part) > 4 for part in numbers.split(".")) or numbers.count(".") > 2:
        return None
    if "." not in numbers and (numbers == "27" or (len(numbers) > 1 and numbers[0] == "3")):
        numbers = f"{numbers[0]}.{numbers[1:]}"  # other numbers, as in `graalpy-23`, are not versions of Python
    release = tuple(map(int, numbers.split(".")))
    if not suffix:
        return release, None
    level = suffix.rstrip("0123456789")
    serial = suffix[len(level) :]
    if level not in LEVELS or not serial or len(serial) > 3 or len(release) < 2:
        return None
    return (*release, 0)[:3], (LEVELS[level], int(serial))


def _format_version(release: tuple[int, ...], suffix: tuple[str, int] | None) -> str:
    """Return a version as releases are named: `3.12.1`, `3.14.0rc2`."""
    level, serial = suffix or ("final", 0)
    letters = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(level, "")
    return f"{'.'.join(map(str, release))}{letters}{serial if letters else ''}"


def _suggestion(text: str) -> str:
    """Return a hint: the valid request that is most similar to `text`, or the valid forms."""
    if text.startswith("."):
        return f"write a path with a separator: `./{text}`"
    lowered = text.strip().lower()
    if lowered[:1] == "~" and lowered[1:2].isdigit() and _is_valid(guess := f"~={lowered[1:]}"):
        return f"did you mean `{guess}`?"
    if any(character in lowered for character in "<>="):
        for wrong, right in (("=>", ">="), ("=<", "<="), ("=", ""), ("=", "==")):
            guess = lowered.replace(wrong, right, 1)
            if lowered.startswith(wrong) and not lowered.startswith("==") and _is_valid(guess):
                return f"did you mean `{guess}`?"
        words = lowered.replace(",", " ").split()
        joined: list[str] = []
        for word in words:
            if joined and not any(character in OPERATORS for character in word):
                joined[-1] += word
            else:
                joined.append(word)
        guess = ",".join(joined)
        if guess != lowered and _is_valid(guess):
            return f"did you mean `{guess}`?"
        return "write a range such as `>=3.10,<3.13`"
    if "," in lowered and _is_valid(guess := lowered.replace(",", ".")):
        return f"did you mean `{guess}`?"
    for word in ("-nogil", "nogil", "-freethreaded", "-free-threaded", "-ft", "-t", "ft"):  # other names of `3.13t`
        if lowered.endswith(word) and _is_valid(guess := f"{lowered.removesuffix(word)}t"):
            return f"did you mean `{guess}`?"
    import re

    versions = re.findall(r"([0-9.]+)(?:([dt]{1,2})(?![a-z]))?", lowered) if lowered.isascii() else []
    for numbers, letters in sorted(versions, key=lambda version: "." not in version[0]):  # `1!3.12` means the second
        guess = ".".join([part for part in numbers.split(".") if part][:3])
        build = "".join(letter for letter in "td" if letter in letters)  # it is the same with the letters swapped
        for possible in (guess + build, guess):
            if guess and possible != lowered and _is_valid(possible):
                return f"did you mean `{possible}`?"
    return FORMS


def _is_valid(text: str) -> bool:
    try:
        parse_spec(text)
    except UsageError:
        return False
    return True
