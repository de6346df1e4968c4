"""Runs inside an environment (CPython 3.6 and later, PyPy) and tells what it finds there, knowing nothing of cloche."""

import importlib.util
import json
import os
import sys


def resolvable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except Exception:
        return False


def seed_runs() -> str:
    """Return why pip does not start; empty if it does, or is not installed here."""
    try:
        spec = importlib.util.find_spec("pip")
        place = os.path.realpath(spec.origin) if spec and spec.origin else ""
        if not place.startswith(os.path.realpath(sys.prefix)):
            return ""
        import pip

        # Before 20.0 this imports what it starts; since then only what is imported here is sure to be all of it.
        importlib.import_module("pip.__main__" if int(pip.__version__.split(".")[0]) < 20 else "pip._internal.cli.main")
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def main(arguments: "list[str]") -> None:
    sys.path[:] = [path for path in sys.path if path]
    facts = {
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "version": list(sys.version_info),
        "unresolvable": [module for module in arguments if module != "--seed" and not resolvable(module)],
        "seed": seed_runs() if "--seed" in arguments else "",
        "path": sys.path,
    }
    sys.stdout.write(f"\n{json.dumps(facts)}\n")


main(sys.argv[1:])
