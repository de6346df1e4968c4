"""What a seeder promises: one image per distribution, out of the store, and nothing written anywhere else."""

from __future__ import annotations

import os
import tempfile
import zipfile
from base64 import urlsafe_b64encode
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from cloche.errors import SeedError
from cloche.model import Image, Wanted
from cloche.store import Store
from cloche.testing.checks import (
    Check,
    as_test,
    broken,
    check_documented,
    check_name,
    check_sentence,
    not_applicable,
    twice,
)
from cloche.testing.fakes import KINDS, fake_host
from cloche.testing.purity import STARTS

if TYPE_CHECKING:
    from pathlib import Path

    from cloche.hookspecs import Seeder
    from cloche.model import Interpreter
    from cloche.testing.checks import Test


def seeder_contract(seeder: Seeder, interpreter: Interpreter | None = None) -> Test:
    """Return a test of everything that a seeder promises.

    It is asked for a distribution that a directory of `find_links` has, and for one that nobody has.

    :param seeder: the object itself.
    :param interpreter: a real one, since the target itself makes byte-code; by default the one that runs the tests.
    """
    return as_test(seeder_checks(seeder, interpreter))


def seeder_checks(seeder: Seeder, interpreter: Interpreter | None = None) -> list[Check]:
    """Return the promises one by one; see `seeder_contract`."""
    return [
        Check("name", lambda _: check_named(seeder)),
        Check("documentation", lambda _: check_documented("seeder", seeder)),
        Check("serves-something", lambda _: check_serves(seeder, interpreter)),
        *(Check(f"refusal-{kind}", partial(check_refusal, seeder, one)) for kind, one in KINDS.items()),
        Check("images", partial(check_images, seeder, interpreter)),
        Check("what-nobody-has", partial(check_missing, seeder, interpreter)),
    ]


def check_named(seeder: Seeder) -> None:
    """It has a name that can be typed after `--seeder`, and everything that the core will call."""
    check_name("seeder", getattr(seeder, "name", None))
    for method in ("refusal", "images"):
        if not callable(getattr(seeder, method, None)):
            broken(f"the seeder has no method `{method}`")


def check_serves(seeder: Seeder, interpreter: Interpreter | None) -> None:
    """There is an interpreter that it does not refuse."""
    if all(seeder.refusal(one) is not None for one in KINDS.values()) and seeder.refusal(interpreter or running()):
        broken("the seeder refuses every interpreter that the kit has, so it can never be used")


def check_refusal(seeder: Seeder, interpreter: Interpreter, _: Path) -> None:
    """It gives None or a sentence that a user can act on, always the same."""
    check_sentence("`refusal`", twice("`refusal`", lambda: seeder.refusal(interpreter)))


def check_images(seeder: Seeder, interpreter: Interpreter | None, directory: Path) -> None:
    """It gives one image for what is wanted, whole and in the store, and the same one the next time."""
    target = accepted(seeder, interpreter)
    sample_wheel(directory / "wheels")
    wanted = Wanted(("cloche-sample==1.0",), (str(directory / "wheels"),), "never")
    with Store.open(fake_host(environ=dict(os.environ)), str(directory / "store")) as store:
        allowed = (store.root, tempfile.gettempdir())
        images = twice("`images`", lambda: list(seeder.images(target, wanted, store)), allowed, STARTS)
        if [getattr(image, "distribution", "") for image in images] != ["cloche-sample"]:
            broken(f"`images` gives {images!r} where one distribution, `cloche-sample`, is wanted")
        for image in images:
            if not isinstance(image, Image):
                broken(f"`images` gives {image!r}, which is no `cloche.Image`")
            if os.path.commonpath([image.root, store.root]) != store.root or not os.path.isdir(image.root):
                broken(f"the image `{image.root}` is not in the store `{store.root}`")
            if image.version != "1.0":
                broken(f"the image is of version {image.version}, and 1.0 is wanted")


def check_missing(seeder: Seeder, interpreter: Interpreter | None, directory: Path) -> None:
    """What nobody has is a `SeedError` that says so."""
    target = accepted(seeder, interpreter)
    wanted = Wanted(("cloche-nobody-has-this",), (), "never")
    with Store.open(fake_host(environ=dict(os.environ)), str(directory / "store")) as store:
        try:
            images = list(seeder.images(target, wanted, store))
        except SeedError as error:
            check_sentence("the message of `SeedError`", error.message)
            return
        broken(f"`images` gives {images!r} for a distribution that nobody has, and has to raise `SeedError`")


def accepted(seeder: Seeder, interpreter: Interpreter | None) -> Interpreter:
    """Return the interpreter to ask for.

    :raises NotApplicable: the seeder refuses it, so the core would never ask.
    """
    target = interpreter or running()
    if (refusal := seeder.refusal(target)) is not None:
        not_applicable(f"the seeder refuses {target.name}: {refusal}")
    return target


def running() -> Interpreter:
    """Return the base of the interpreter that runs the tests."""
    from cloche.api import find

    return find()


def sample_wheel(directory: Path) -> Path:
    """Make a wheel of a distribution `cloche-sample` 1.0 in a directory, and return its path (PEP 427)."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "cloche_sample-1.0-py3-none-any.whl"
    info = "cloche_sample-1.0.dist-info"
    files = {
        "cloche_sample.py": "def main():\n    print('sample')\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: cloche-sample\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: cloche\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\ncloche-sample = cloche_sample:main\n",
    }
    rows = []
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
            digest = urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{name},sha256={digest},{len(text)}\n")
        wheel.writestr(f"{info}/RECORD", "".join([*rows, f"{info}/RECORD,,\n"]))
    return path
