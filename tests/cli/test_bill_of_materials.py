"""Test the bill of materials of an environment: what it contains, that it is valid, and that it can be reproduced."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.distributions import make_wheel
from tests.locks import BASE, package, pylock, sha256_of
from tests.run import Cloche, clean_environ

if TYPE_CHECKING:
    from pathlib import Path

SPDX = """\
Metadata-Version: 2.4
Name: spam
Version: 1.0
License-Expression: MIT OR Apache-2.0
Requires-Dist: eggs
Requires-Dist: ham; os_name ~= 'posix'
"""
"""Its second requirement has a marker that cannot be evaluated, so it is left out."""

NAMED = "Metadata-Version: 2.1\nName: eggs\nVersion: 2.0\nClassifier: License :: OSI Approved :: BSD License\n"


def lock_in(directory: Path) -> Cloche:
    """Return the command line in a directory with a lock file of two distributions."""
    for name in ("home", "work", "other"):
        (directory / name).mkdir()
    wheels = [
        make_wheel(directory / "wheels", "spam", "1.0", {"spam.py": "x = 1\n"}, METADATA=SPDX),
        make_wheel(directory / "wheels", "eggs", "2.0", {"eggs.py": "x = 1\n"}, METADATA=NAMED),
    ]
    entries = [package(*wheel.name.split("-")[:2], wheels=[wheel]) for wheel in wheels]
    (directory / "work" / "pylock.toml").write_text(pylock(entries))
    return Cloche(directory / "work", clean_environ(directory / "home", directory / "cache"))


@pytest.fixture(scope="module")
def cloche(tmp_path_factory: pytest.TempPathFactory) -> Cloche:
    """The command line in a directory with an environment `env`, which no test changes."""
    cloche = lock_in(tmp_path_factory.mktemp("bill"))
    create(cloche, "./env")
    return cloche


def create(cloche: Cloche, env: str) -> None:
    wheels = cloche.cwd.parent / "wheels"
    done = cloche(env, "--lock", "pylock.toml", "--find-links", wheels, "--no-download", "--prompt", "demo")
    assert done.code == 0, done.err


def bill(cloche: Cloche, env: str = "./env", **variables: str) -> str:
    done = cloche("info", env, "--format", "cyclonedx", **variables)
    assert (done.code, done.err) == (0, "")
    return done.out


def test_a_bill_has_every_distribution_and_the_python(cloche: Cloche) -> None:
    found = json.loads(bill(cloche))

    components = {component["name"]: component for component in found["components"]}
    assert components.keys() == {"spam", "eggs", sys.implementation.name}
    python = components[sys.implementation.name]
    assert python["type"] == "platform"
    assert python["purl"] == f"pkg:generic/{sys.implementation.name}@{python['version']}"
    spam, wheel = components["spam"], cloche.cwd.parent / "wheels" / "spam-1.0-py3-none-any.whl"
    assert (spam["version"], spam["purl"].partition("?")[0]) == ("1.0", "pkg:pypi/spam@1.0")
    assert spam["hashes"] == [{"alg": "SHA-256", "content": sha256_of(wheel)}]
    [origin] = spam["externalReferences"]
    assert (origin["type"], origin["url"]) == ("distribution", f"{BASE}{wheel.name}")
    assert [entry.get("expression") for entry in spam["licenses"]] == ["MIT OR Apache-2.0"]
    assert [entry["license"]["name"] for entry in components["eggs"]["licenses"]] == ["BSD License"]
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in found["dependencies"]}
    assert needs["spam==1.0"] == ["eggs==2.0"]
    assert found["metadata"]["component"]["properties"][0]["name"] == "cloche:lock"


def test_a_bill_is_valid(cloche: Cloche) -> None:
    pytest.importorskip("jsonschema")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill(cloche, SOURCE_DATE_EPOCH="1")) is None


def test_equal_environments_have_equal_bills(cloche: Cloche) -> None:
    create(cloche, "../other/env")

    assert bill(cloche) == bill(cloche) == bill(cloche, "../other/env")
    assert "timestamp" not in bill(cloche)
    dated = bill(cloche, SOURCE_DATE_EPOCH="86400")
    assert json.loads(dated)["metadata"]["timestamp"].startswith("1970-01-02T00:00:00")


def test_a_setting_for_json_does_not_change_the_bill(cloche: Cloche) -> None:
    assert bill(cloche, CLOCHE_JSON="1") == bill(cloche)


def test_what_prevents_a_bill_is_explained(cloche: Cloche, tmp_path: Path) -> None:
    (tmp_path / "site" / "cyclonedx").mkdir(parents=True)
    (tmp_path / "site" / "cyclonedx" / "__init__.py").write_text("raise ImportError\n")

    missing = cloche("info", "./env", "--format", "cyclonedx", PYTHONPATH=str(tmp_path / "site"))
    assert (missing.code, missing.out) == (1, "")
    assert "cloche[sbom]" in missing.err
    assert len(missing.err.splitlines()) == 2
    date = cloche("info", "./env", "--format", "cyclonedx", SOURCE_DATE_EPOCH="yesterday")
    assert (date.code, date.out) == (2, "")
    assert "`yesterday`; expected a number of seconds" in date.err
    both = cloche("info", "./env", "--format", "cyclonedx", "--json")
    assert both.code == 2
