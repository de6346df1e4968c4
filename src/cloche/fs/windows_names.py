"""The names that no file can have on Windows."""

from __future__ import annotations

import re

DEVICES = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[1-9\u00b9\u00b2\u00b3]) *(?:\..*)?", re.IGNORECASE
)
"""Names of devices, in any directory and with any suffix ("Naming Files, Paths, and Namespaces", Microsoft)."""

FORBIDDEN = re.compile(r'[\x00-\x1f<>:"|?*\\]')
"""Characters that Windows does not allow, or that separate a name from something else."""


def unusable_name(path: str) -> str:
    """Return the first name in a relative path (with `/`) that Windows does not accept as a file name; empty if there is none."""
    for name in path.split("/"):
        if DEVICES.fullmatch(name) or FORBIDDEN.search(name) or name.endswith((" ", ".")):
            return name
    return ""
