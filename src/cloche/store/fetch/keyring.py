"""Credentials from the user's keyring, if pip's setting `keyring-provider` asks for it.

Without the setting, pip asks a keyring only if it can also ask the user, which cloche never does.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

from cloche.programs import python_environ

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloche.model.interpreter import Host

SECONDS = 60.0
"""How long a keyring may take, for example because it asks the user to unlock it."""


def keyring_credentials(provider: str, services: Iterable[str], user: str, host: Host) -> tuple[str, str] | None:
    """Return user and password for the first service that the keyring knows; None if there is none.

    :param provider: `import` for the package `keyring` in cloche's environment, `subprocess` for the command on PATH.
    :param user: the name of the user, if it is known.
    """
    for service in services:
        try:
            if provider == "import" and (found := _from_package(service, user)):
                return found
            if provider == "subprocess" and (found := _from_command(service, user, host)):
                return found
        except Exception:  # a keyring fails in many ways, for example because it is locked
            return None
    return None


def _from_package(service: str, user: str) -> tuple[str, str] | None:
    import importlib

    keyring = importlib.import_module("keyring")
    found = keyring.get_credential(service, user or None)
    return (str(found.username), str(found.password)) if found else None


def _from_command(service: str, user: str, host: Host) -> tuple[str, str] | None:
    command = shutil.which("keyring", path=host.environ.get("PATH"))
    if command is None:
        return None
    arguments = ["--mode=creds", "--output=json", "get", service, *([user] if user else [])]
    done = subprocess.run(
        [command, *arguments],
        env={**python_environ(host.environ), "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode != 0:
        return None
    found = json.loads(done.stdout)
    return str(found["username"]), str(found["password"])
