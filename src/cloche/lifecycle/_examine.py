"""Print facts about an environment as JSON. The environment's own Python runs this file: CPython 3.6 or later, or PyPy.

It imports nothing from cloche, which is not installed there.
"""

import gc
import importlib.machinery
import importlib.util
import json
import os
import site
import sys


def is_importable(module: str) -> bool:
    """Return whether a module can be found; its parent packages are imported."""
    try:
        return importlib.util.find_spec(module) is not None or module in sys.modules  # a parent may have created it
    except Exception:
        return False


def import_problem(module: str) -> str:
    """Return why a module that is not in a package cannot be imported; empty if it can. Its own code does not run."""
    try:
        spec = importlib.util.find_spec(module)
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0]
    if spec is None:
        return "no finder finds it"
    if spec.has_location and spec.origin and not os.path.exists(spec.origin):
        return f"`{spec.origin}` does not exist"
    if not spec.has_location:  # a namespace package, or what is left of another one
        locations = [
            path for path in spec.submodule_search_locations or () if os.path.isabs(path)
        ]  # others name a hook
        directories = [path for path in locations if os.path.isdir(path)]
        if locations and not any(map(os.path.exists, locations)):
            return f"`{locations[0]}` does not exist"
        for directory in directories:
            for name in sorted(os.listdir(directory)):
                if not os.path.exists(os.path.join(directory, name)):
                    return f"the target of `{os.path.join(directory, name)}` does not exist"
    return ""


def is_present(module: str) -> bool:
    """Return whether a module can be found, preferably by file names alone: importing its parent packages may take seconds."""
    try:
        parts = module.split(".")
        spec = importlib.util.find_spec(parts[0])
        for count in range(2, len(parts) + 1):
            if spec is None or spec.submodule_search_locations is None:
                break
            name = ".".join(parts[:count])
            spec = importlib.machinery.PathFinder.find_spec(name, list(spec.submodule_search_locations))
        else:
            if spec is not None:
                return True
    except Exception:
        pass
    return is_importable(module)


def pip_failure() -> str:
    """Return why pip does not start; empty if it starts or is not installed in the environment."""
    try:
        spec = importlib.util.find_spec("pip")
        origin = os.path.realpath(spec.origin) if spec and spec.origin else ""
        if not origin.startswith(os.path.realpath(sys.prefix)):
            return ""
        import pip

        # Before pip 20.0, `__main__` imports everything it needs; later versions import `cli.main` only when they run.
        importlib.import_module("pip.__main__" if int(pip.__version__.split(".")[0]) < 20 else "pip._internal.cli.main")
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def main(options: "list[str]") -> None:
    """Print the facts.

    The modules are read from standard input, one on each line, once everything else is known: the caller may still look for them.
    Startup code may have replaced `sys.stdin` and `sys.stdout`, or added to `sys.path` what Python ignores there.
    """
    sys.path[:] = [path for path in sys.path if path]
    can_find = is_importable if "--import" in options else is_present
    facts = {
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "version": list(sys.version_info),
        "seed": pip_failure() if "--seed" in options else "",
        "path": [path for path in list(sys.path) if type(path) is str],
        "user_site": site.getusersitepackages(),
    }  # type: dict[str, object]
    with open(0, "rb", closefd=False) as stdin:
        modules = stdin.read().decode("utf-8", "surrogateescape").split("\n")[:-1]
    editable = [line[9:] for line in modules if line[:9] == "--import="]
    facts["unresolvable"] = [line for line in modules if line[:2] != "--" and not can_find(line)]
    facts["problems"] = {module: import_problem(module) for module in editable}
    with open(1, "wb", closefd=False) as stdout:
        stdout.write(f"\n{json.dumps(facts)}\n".encode())


gc.disable()  # nothing is worth freeing, and importing pip takes less time without it
main(sys.argv[1:])
os._exit(0)  # freeing all modules would take a fifth of the time, and code of the environment may run at the end
