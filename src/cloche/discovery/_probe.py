"""The probe: print everything that cloche needs to know about an interpreter as one JSON object between two cookies.

It runs inside that interpreter as `python -I -S -B -c SOURCE START END`; `facts()` is also called in-process, to
describe the Python that runs cloche. It must parse on Python 2.7, so that an old interpreter answers with its version
instead of a syntax error. It imports only modules that the interpreter loads anyway. It only reports facts; all
decisions are made in `cloche.discovery`.
"""
# ruff: noqa: UP024, UP031

import sys

if __name__ == "__main__" and sys.path and not sys.path[0]:
    del sys.path[0]  # the current directory; Python 2.7 has no `-I` to leave it out

import os
import sysconfig

OLDEST = (3, 6)


def facts():  # type: () -> dict[str, object]
    """Return the facts about this interpreter; the paths of `scheme` are relative to the root and separated by `/`."""
    variables = sysconfig.get_config_vars()
    implementation = sys.implementation.name
    windows = os.name == "nt"
    bits = 64 if sys.maxsize > 2**32 else 32
    prefix = getattr(sys, "base_prefix", sys.prefix)
    stdlib = os.path.dirname(os.path.abspath(getattr(os, "__file__", None) or sysconfig.get_path("stdlib") + "/os.py"))
    suffix = _extension_suffix()
    tcl, tk = ("", "") if variables.get("PYTHONFRAMEWORK") else _tcl_and_tk_directories(prefix, windows)
    return {
        "executable": os.path.abspath(sys.executable) if sys.executable else "",
        "base_executable": getattr(sys, "_base_executable", None) or "",
        "implementation": implementation,
        "version": list(sys.version_info),
        "platform": sys.platform,
        "os_name": os.name,
        "machine": _machine(bits),
        "bits": bits,
        "free_threaded": bool(variables.get("Py_GIL_DISABLED")) or "t" in getattr(sys, "abiflags", ""),
        "debug": hasattr(sys, "gettotalrefcount"),
        "prefix": prefix,
        "exec_prefix": getattr(sys, "base_exec_prefix", sys.exec_prefix),
        "stdlib": stdlib,
        "scheme": _scheme(implementation, windows),
        "cache_tag": sys.implementation.cache_tag or "",
        "magic": _magic(),
        "soabi": variables.get("SOABI") or suffix.strip(".").rpartition(".")[0],
        "library": _library(variables, prefix, implementation, windows),
        "has_venv": os.path.isfile(os.path.join(stdlib, "venv", "__init__.py")),
        "tcl_library": tcl,
        "tk_library": tk,
    }


def _extension_suffix():  # type: () -> str
    try:
        import _imp
    except ImportError:
        return ""
    return (_imp.extension_suffixes() or [""])[0]


def _magic():  # type: () -> str
    try:  # importing `importlib.util`, which re-exports it, takes longer than everything else here
        from _frozen_importlib_external import MAGIC_NUMBER
    except ImportError:
        from importlib.util import MAGIC_NUMBER
    return "".join("%02x" % byte for byte in bytearray(MAGIC_NUMBER))


def _machine(bits):  # type: (int) -> str
    """Return the instruction set of the interpreter, which differs from the machine's for 32-bit builds on 64-bit systems."""
    if not hasattr(os, "uname"):
        version = sys.version.lower()
        return "AMD64" if "amd64" in version else "ARM64" if "arm64" in version else "x86"
    machine = os.uname()[4]
    return "i686" if bits == 32 and machine in ("x86_64", "amd64") else machine


def _scheme(implementation, windows):  # type: (str, bool) -> dict[str, str]
    """Return the paths of the install scheme for environments, relative to the root of the environment.

    The scheme is `venv` if it exists (bpo-45413, Python 3.11). Otherwise it is the plain prefix scheme, never the
    default one, which Debian and Fedora change to `/usr/local`. Old versions of PyPy have their own. The `include` path
    of these schemes is that of the base; `include` in an environment is a convention.
    """
    names = sysconfig.get_scheme_names()
    plain = "nt" if windows else "posix_prefix"
    own = "pypy_nt" if windows else "pypy"
    chosen = "venv" if "venv" in names else own if implementation == "pypy" and own in names else plain
    root = "C:\\@" if windows else "/@"
    bases = ("base", "platbase", "installed_base", "installed_platbase", "prefix", "exec_prefix", "userbase")
    paths = sysconfig.get_paths(chosen, dict.fromkeys(bases, root))
    found = {"include": "Include" if windows else "include"}
    for key in ("scripts", "purelib", "platlib", "data"):
        path = os.path.normpath(paths[key])
        if path != root and not path.startswith(root + os.path.sep):
            raise ValueError("its %s scheme puts %s outside the environment, at %s" % (chosen, key, paths[key]))
        found[key] = path[len(root) + 1 :].replace(os.path.sep, "/")
    return found


def _library(variables, prefix, implementation, windows):
    # type: (dict[str, object], str, str, bool) -> str
    """Return the path of the shared libpython that the executable needs to start; empty for a static build.

    `sysconfig` names the libraries that were built, which need not be the one that is loaded.
    """
    here = os.path.dirname(os.path.realpath(sys.executable)) if sys.executable else prefix
    if windows:
        flags = getattr(sys, "abiflags", "") or ("t" if variables.get("Py_GIL_DISABLED") else "")
        stem = "python%d%d%s" % (sys.version_info[0], sys.version_info[1], flags.replace("d", ""))
        names = [stem + ("_d" if hasattr(sys, "gettotalrefcount") else "") + ".dll"]
        if implementation != "cpython":
            names = [str(variables.get("LDLIBRARY") or "")]
        directories = [here, prefix]
    else:
        names = [str(variables.get(key) or "") for key in ("INSTSONAME", "LDLIBRARY")]
        if variables.get("PYTHONFRAMEWORK"):
            names.insert(0, str(variables["PYTHONFRAMEWORK"]))
        directories = [
            str(variables.get("LIBDIR") or ""),
            os.path.join(prefix, "lib"),
            here,
            os.path.join(here, "..", "lib"),
            prefix,
        ]
        if variables.get("MULTIARCH"):
            directories.append(os.path.join(prefix, "lib", str(variables["MULTIARCH"])))
    names = [os.path.basename(name) for name in names if name and not name.endswith(".a")]
    if sys.platform.startswith("linux") and implementation in ("cpython", "pypy"):
        loaded = _loaded_library(names)
        if loaded is not None:
            return loaded
    for name in names:
        if windows or _mentions(sys.executable, name):
            for directory in directories:
                if directory and os.path.isfile(os.path.join(directory, name)):
                    return os.path.normpath(os.path.join(directory, name))
    return ""


def _loaded_library(names):  # type: (list[str]) -> str | None
    """Return the path of the library in `names` that this process has loaded; empty if none is, None if unknown."""
    try:
        with open("/proc/self/maps", "rb") as maps:
            for line in maps:
                fields = line.rstrip(b"\n").split(None, 5)
                if len(fields) == 6 and fields[5].rpartition(b"/")[2].decode("utf-8", "replace") in names:
                    return fields[5].decode(sys.getfilesystemencoding(), "surrogateescape")
    except (OSError, IOError):
        return None
    return ""


def _mentions(executable, name):  # type: (str, str) -> bool
    """Return whether the start of an executable, where the load commands are, contains the name of a library."""
    try:
        with open(executable, "rb") as binary:
            return name.encode() in binary.read(1 << 20)
    except (OSError, IOError):
        return False


def _tcl_and_tk_directories(prefix, windows):  # type: (str, bool) -> tuple[str, str]
    """Return the Tcl and Tk directories of a relocatable interpreter; empty if Tcl finds them without help.

    Tcl searches relative to the executable, so in an environment it does not find them. Builds of a Linux distribution,
    of conda and macOS framework builds have absolute paths compiled in.
    """
    if not windows and (prefix in ("/usr", "/usr/local", "/") or os.path.isdir(os.path.join(prefix, "conda-meta"))):
        return "", ""
    parent = os.path.join(prefix, "tcl" if windows else "lib")
    for version in ("9.1", "9.0", "8.7", "8.6", "8.5"):
        tcl = os.path.join(parent, "tcl" + version)
        if os.path.isfile(os.path.join(tcl, "init.tcl")):
            tk = os.path.join(parent, "tk" + version)
            return tcl, tk if os.path.isfile(os.path.join(tk, "tk.tcl")) else ""
    return "", ""


def _json(item):  # type: (object) -> str
    """Return a value as ASCII JSON; importing `json` would double the duration of a probe.

    A text has the characters of its bytes in UTF-8, because cloche may use another file-system encoding.
    """
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, int):
        return str(item)
    if isinstance(item, dict):
        return "{" + ",".join(_json(key) + ":" + _json(item[key]) for key in sorted(item)) + "}"
    if isinstance(item, (list, tuple)):
        return "[" + ",".join(_json(element) for element in item) + "]"
    text = str(item)
    if sys.version_info[0] > 2 and sys.getfilesystemencoding() != "utf-8":
        try:
            text = text.encode(sys.getfilesystemencoding(), "surrogateescape").decode("utf-8", "surrogateescape")
        except UnicodeError:  # no path, but a message
            pass
    pieces = []
    for character in text:
        code = ord(character)
        if 31 < code < 127 and character not in '"\\':
            pieces.append(character)
        elif code < 65536:
            pieces.append("\\u%04x" % code)
        else:
            pieces.append("\\u%04x\\u%04x" % (0xD800 + ((code - 65536) >> 10), 0xDC00 + ((code - 65536) & 1023)))
    return '"' + "".join(pieces) + '"'


def main(start, end):  # type: (str, str) -> None
    """Print the answer between the reversed cookies, so that a program that echoes its arguments gives no answer."""
    if sys.version_info[:2] < OLDEST:
        answer = {"kind": "too-old", "version": list(sys.version_info)}  # type: dict[str, object]
    else:
        try:
            answer = dict(facts(), kind="interpreter")
        except Exception as error:
            answer = {"kind": "failed", "reason": "%s: %s" % (type(error).__name__, error)}
    sys.stdout.write("\n" + start[::-1] + _json(answer) + end[::-1] + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
