"""A build backend whose wheels are the editable wheels of another project (PEP 517, PEP 660).

cloche puts it into a project of its own, beside a file that names the other project. So pip prepares an isolated environment
for an editable wheel as it does for an ordinary one. Runs on Python 3.6 and later.
"""

import importlib
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def get_requires_for_build_wheel(config_settings: "dict[str, object] | None" = None) -> "list[str]":
    hook = getattr(_backend(), "get_requires_for_build_editable", None)
    return list(hook(config_settings)) if hook else []


def build_wheel(
    wheel_directory: str, config_settings: "dict[str, object] | None" = None, metadata_directory: "str | None" = None
) -> str:
    hook = getattr(_backend(), "build_editable", None)
    if hook is None:
        sys.exit("the build backend of this project does not support editable wheels (PEP 660)")
    return str(hook(wheel_directory, config_settings))


def _backend() -> object:
    """Import the build backend of the other project, and change to the directory of that project."""
    with open(os.path.join(HERE, "project.json"), encoding="utf-8") as file:
        project = json.load(file)
    os.chdir(project["directory"])
    sys.path[:0] = [os.path.join(project["directory"], path) for path in project["backend-path"]]
    module, _, attributes = project["build-backend"].partition(":")
    found: object = importlib.import_module(module)
    for name in filter(None, attributes.split(".")):
        found = getattr(found, name)
    return found
