"""Keep settings of distutils that name another place from changing where packages are installed in this environment.

cloche writes this file for Python 3.9 and earlier. The settings come from `~/.pydistutils.cfg`, from `setup.cfg` and from
the `distutils.cfg` of the base interpreter. Options on the command line are not changed.
"""

import sys

MODULES = ("distutils.dist", "setuptools._distutils.dist", "setuptools.dist")

PLACES = (
    "prefix",
    "exec_prefix",
    "home",
    "user",
    "root",
    "install_base",
    "install_platbase",
    "install_lib",
    "install_purelib",
    "install_platlib",
    "install_headers",
    "install_scripts",
    "install_data",
)
"""The settings of the command `install` that change where it installs."""

COMMANDS = (
    "install_lib",
    "install_headers",
    "install_scripts",
    "install_data",
    "install_egg_info",
    "develop",
    "easy_install",
)
"""The commands that take the directory to install to as `install_dir`."""


class Finder:
    """Finds the modules that read the settings where they are, and changes them after they are loaded."""

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in MODULES:
            return None
        for finder in sys.meta_path:
            find_spec = getattr(finder, "find_spec", None)
            spec = find_spec(name, path, target) if find_spec and finder is not cls else None
            if spec is not None:
                change_after_loading(spec.loader)
                return spec
        return None


def change_after_loading(loader):
    """Make a loader change the module that it loads."""
    load = getattr(loader, "exec_module", None)
    if load is None:
        return

    def exec_module(module):
        load(module)
        change(module.Distribution)

    try:
        loader.exec_module = exec_module
    except AttributeError:
        pass


def change(distribution):
    """Make a class drop the settings that name another place, after it has read the files."""
    read = distribution.parse_config_files

    def parse_config_files(self, *arguments, **options):
        try:
            return read(self, *arguments, **options)
        finally:
            install = self.command_options.get("install", {})
            for place in PLACES:
                install.pop(place, None)
            for command in COMMANDS:
                self.command_options.get(command, {}).pop("install_dir", None)

    distribution.parse_config_files = parse_config_files


sys.meta_path.insert(0, Finder)
