"""pip: a malicious index could make `pip download` write its file elsewhere. What pip reports is not believed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from cloche.errors import SeedError
from cloche.model.value import replace
from cloche.store import Store
from cloche.store.pip_downloads import download_wheels
from cloche.store.requirements import Requirement
from cloche.testing.fakes import fake_interpreter
from tests.distributions import host_with_home

if TYPE_CHECKING:
    from pathlib import Path

PIP = """\
#!{python}
import os, sys
if "config" not in sys.argv:
    directory = sys.argv[sys.argv.index("--dest") + 1]
    open(os.path.join(directory, {name!r}), "w").close()
"""


@pytest.mark.parametrize("name", ["../spam-1.0-py3-none-any.whl", "../../spam-1.0-py3-none-any.whl", "spam.tar.gz"])
def test_a_download_that_is_not_where_it_belongs_is_an_error(name: str, tmp_path: Path) -> None:
    program = tmp_path / "python"
    program.write_text(PIP.format(python=sys.executable, name=name))
    program.chmod(0o755)
    host = replace(host_with_home(tmp_path), executable=str(program))
    with Store.open(host) as store, pytest.raises(SeedError, match="pip reported success, but downloaded 0 wheels"):
        download_wheels([Requirement("spam")], fake_interpreter(), store)
