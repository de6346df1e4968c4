"""The contract of seeders: they return one image per distribution, from the store, and write nothing else."""

from __future__ import annotations

import os
import tempfile
import zipfile
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from cloche.errors import SeedError
from cloche.fs.records import record_of
from cloche.model.distribution import Image
from cloche.model.plan import LockRequest, Wanted
from cloche.store import Store
from cloche.store.seeds import SeedStore
from cloche.testing.checks import (
    Check,
    as_test,
    broken,
    call_twice,
    check_documented,
    check_name,
    check_sentence,
    not_applicable,
)
from cloche.testing.fakes import KINDS, fake_host
from cloche.testing.purity import PROCESS_EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cloche.model.interpreter import Interpreter
    from cloche.plugins.hookspecs import Seeder
    from cloche.testing.checks import ContractTest


def seeder_contract(seeder: Seeder, interpreter: Interpreter | None = None) -> ContractTest:
    """Return a test that a seeder keeps its contract.

    The seeder is called for a distribution that is in a `find_links` directory, and for one that does not exist. A lock file
    that names the first one, or nothing, is wanted as well, for seeders that install from lock files.

    :param seeder: the seeder object.
    :param interpreter: a real interpreter, which compiles bytecode; by default the one that runs the tests.
    """
    return as_test(seeder_checks(seeder, interpreter))


def seeder_checks(seeder: Seeder, interpreter: Interpreter | None = None) -> list[Check]:
    """Return the checks of `seeder_contract`."""
    return [
        Check("name", lambda _: check_named(seeder)),
        Check("documentation", lambda _: check_documented("seeder", seeder)),
        Check("supports-an-interpreter", lambda _: check_supports(seeder, interpreter)),
        *(Check(f"refusal-{kind}", partial(check_refusal, seeder, fake)) for kind, fake in KINDS.items()),
        Check("images", partial(check_images, seeder, interpreter)),
        Check("unavailable-distribution", partial(check_unavailable, seeder, interpreter)),
    ]


def check_named(seeder: Seeder) -> None:
    """Check that the seeder has a name for `--seeder`, and all methods that the core calls."""
    check_name("seeder", getattr(seeder, "name", None))
    for method in ("refusal", "images"):
        if not callable(getattr(seeder, method, None)):
            broken(f"the seeder has no method `{method}`")


def check_supports(seeder: Seeder, interpreter: Interpreter | None) -> None:
    """Check that the seeder supports at least one interpreter."""
    known = (*KINDS.values(), interpreter or running_interpreter())
    if all(seeder.refusal(interpreter) is not None for interpreter in known):
        broken("the seeder refuses every interpreter of the contract kit, so it can never be used")


def check_refusal(seeder: Seeder, interpreter: Interpreter, _: Path) -> None:
    """Check that `refusal` always returns the same result: None, or a sentence for users."""
    check_sentence("`refusal`", call_twice("`refusal`", lambda: seeder.refusal(interpreter)))


def check_images(seeder: Seeder, interpreter: Interpreter | None, directory: Path) -> None:
    """Check that `images` always returns the same image for a requirement, and that it is in the store."""
    target = supported(seeder, interpreter)
    wheel = sample_wheel(directory / "wheels")
    wanted = Wanted(("cloche-sample==1.0",), (str(directory / "wheels"),), "never", lock=sample_lock(directory, wheel))
    with Store.open(fake_host(environ=dict(os.environ)), str(directory / "store")) as store:
        allowed = (store.root, tempfile.gettempdir())
        images = call_twice(
            "`images`", lambda: list(seeder.images(target, wanted, SeedStore(store))), allowed, PROCESS_EVENTS
        )
        if [getattr(image, "distribution", "") for image in images] != ["cloche-sample"]:
            broken(f"`images` returns {images!r}; expected one image, of the distribution `cloche-sample`")
        for image in images:
            if not isinstance(image, Image):
                broken(f"`images` returns {image!r}, which is not a `cloche.Image`")
            if os.path.commonpath([image.root, store.root]) != store.root or not os.path.isdir(image.root):
                broken(f"the image `{image.root}` is not in the store `{store.root}`")
            if image.version != "1.0":
                broken(f"the image has version {image.version}, but 1.0 was requested")


def check_unavailable(seeder: Seeder, interpreter: Interpreter | None, directory: Path) -> None:
    """Check that `images` raises `SeedError` for a distribution that does not exist."""
    target = supported(seeder, interpreter)
    wanted = Wanted(("cloche-does-not-exist",), (), "never", lock=sample_lock(directory))
    with Store.open(fake_host(environ=dict(os.environ)), str(directory / "store")) as store:
        try:
            images = list(seeder.images(target, wanted, SeedStore(store)))
        except SeedError as error:
            check_sentence("the message of `SeedError`", error.message)
            return
        broken(f"`images` returns {images!r} for a distribution that does not exist; it must raise `SeedError`")


def supported(seeder: Seeder, interpreter: Interpreter | None) -> Interpreter:
    """Return the interpreter to ask the seeder for.

    :raises NotApplicable: the seeder refuses it, so the core would never ask.
    """
    target = interpreter or running_interpreter()
    if (refusal := seeder.refusal(target)) is not None:
        not_applicable(f"the seeder refuses {target.name}: {refusal}")
    return target


def running_interpreter() -> Interpreter:
    """Return the base of the interpreter that runs the tests."""
    from cloche.api import find

    return find()


def sample_lock(directory: Path, *wheels: Path) -> LockRequest:
    """Create a `pylock.toml` in a directory that names the wheels of the distribution `cloche-sample` (PEP 751)."""
    lines = ['lock-version = "1.0"', 'created-by = "cloche"', *([] if wheels else ["packages = []"])]
    for wheel in wheels:
        digest = sha256(wheel.read_bytes()).hexdigest()
        lines += [
            "[[packages]]",
            'name = "cloche-sample"',
            'version = "1.0"',
            f'wheels = [{{ path = "{wheel.parent.name}/{wheel.name}", hashes = {{ sha256 = "{digest}" }} }}]',
        ]
    path = directory / "pylock.toml"
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return LockRequest(str(path))


def sample_wheel(directory: Path, more: Mapping[str, str] | None = None) -> Path:
    """Create a wheel of the distribution `cloche-sample` 1.0 in a directory (PEP 427), and return its path.

    :param more: the text of further files, by path.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "cloche_sample-1.0-py3-none-any.whl"
    info = "cloche_sample-1.0.dist-info"
    files = {
        "cloche_sample.py": "def main():\n    print('sample')\n",
        **(more or {}),
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: cloche-sample\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: cloche\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\ncloche-sample = cloche_sample:main\n",
    }
    contents = {name: text.encode() for name, text in files.items()}
    contents[f"{info}/RECORD"] = record_of(contents, f"{info}/RECORD")
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in contents.items():
            wheel.writestr(name, content)
    return path
