"""An in-tree build backend for editable projects, whose wheels resemble those of the common backends.

Kinds: `path` writes a `.pth` with the source directory, as hatchling, flit and PDM do. `finder` writes a `.pth` that
imports a module with a mapping from names to paths, as setuptools does.
"""

import base64
import hashlib
import json
import os
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))

FINDER = """\
import sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location

MAPPING: dict[str, str] = {mapping!r}
NAMESPACES: dict[str, list[str]] = {{}}
PATH_PLACEHOLDER = '__editable__.{name}-1.0.finder' + ".__path_hook__"


class _EditableFinder:
    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname in MAPPING:
            return spec_from_file_location(fullname, MAPPING[fullname] + "/__init__.py")
        return None


def install():
    if _EditableFinder not in sys.meta_path:
        sys.meta_path.append(_EditableFinder)
"""


def read_project():
    with open(os.path.join(HERE, "project.json"), encoding="utf-8") as file:
        return json.load(file)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name, kind = read_project()["name"], read_project()["kind"]
    source = os.path.join(HERE, "src")
    if kind == "path":
        return write_wheel(wheel_directory, name, {name + ".pth": source + "\n"})
    module = f"__editable___{name}_1_0_finder"
    return write_wheel(
        wheel_directory,
        name,
        {
            f"__editable__.{name}-1.0.pth": f"import {module}; {module}.install()\n",
            module + ".py": FINDER.format(mapping={name: os.path.join(source, name)}, name=name),
        },
    )


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = read_project()["name"]
    files = {}
    for file in ("__init__.py", "cli.py"):
        with open(os.path.join(HERE, "src", name, file), encoding="utf-8") as source:
            files[f"{name}/{file}"] = source.read()
    return write_wheel(wheel_directory, name, files)


def write_wheel(directory, name, files):
    info = f"{name}-1.0.dist-info"
    files = dict(files)
    files[info + "/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    files[info + "/WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[info + "/entry_points.txt"] = f"[console_scripts]\n{name} = {name}.cli:main\n"
    rows = [info + "/RECORD,,\n"]
    wheel = f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, wheel), "w") as archive:
        for path, text in files.items():
            content = text.encode("utf-8")
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            rows.append(f"{path},sha256={digest},{len(content)}\n")
            archive.writestr(path, content)
        archive.writestr(info + "/RECORD", "".join(rows))
    return wheel
