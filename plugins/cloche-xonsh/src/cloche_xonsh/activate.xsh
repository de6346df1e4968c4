# Activates this environment in xonsh; `deactivate` undoes it.
#
#     source .venv/bin/activate.xsh
#
# A sourced file shares its namespace with the user, so all code is in one function, which is deleted at the end.


def _cloche_activate():
    import os
    import sys
    from builtins import Exception, ValueError, callable, list, print, str  # the user may have variables with these names

    from xonsh.built_ins import XSH
    from xonsh.environ import EnvPath
    from xonsh.tools import unthreadable

    env, aliases = XSH.env, XSH.aliases
    names = (
        "PATH", "VIRTUAL_ENV", "VIRTUAL_ENV_PROMPT", "PYTHONHOME", "PKG_CONFIG_PATH", "TCL_LIBRARY", "TK_LIBRARY"
    )

    def decoded(text):
        """Return a text of this script, whose bytes in UTF-8 are the right ones, in the encoding of the locale."""
        return os.fsdecode(text.encode("utf-8", "surrogateescape"))

    root = decoded(__CLOCHE_ROOT__)
    bin_directory = decoded(__CLOCHE_BIN__)
    pkg_config = decoded(__CLOCHE_PKG_CONFIG__)
    prompt = decoded(__CLOCHE_PROMPT__)
    if not os.path.isdir(bin_directory):
        print("this environment was moved; to repair it, type: cloche doctor --fix ENVIRONMENT", file=sys.stderr)
        return

    # Deactivate the active environment, whichever tool activated it.
    if "deactivate" in aliases and callable(aliases["deactivate"]):
        aliases["deactivate"]([])

    def raw(name):
        """Return the entries of a list of directories without expansion, which ordinary access would perform."""
        return list((EnvPath([]) + env[name])._l)

    # The variables that programs receive; `in env` is also true for variables that only have a default.
    is_set = env.detype()
    old = {name: env[name] for name in names if name in is_set}
    lists = {}

    def prepend(name, entry):
        before = raw(name) if name in old else []
        old.update({name: EnvPath(before)} if name in old else {})
        lists[name] = entry, [entry, *before]
        env[name] = [entry, *before]

    # The prompt of xonsh has a field for the name, in which braces denote colors.
    fields = env["PROMPT_FIELDS"]

    def env_name():
        name = env.get("VIRTUAL_ENV_PROMPT")
        if not name or env.get("VIRTUAL_ENV_DISABLE_PROMPT"):
            return ""
        literal = str(name).replace("{", "{{").replace("}", "}}")
        return f"{fields.get('env_prefix', '(')}{literal}{fields.get('env_postfix', ') ')}"

    old_field = fields.get("env_name")

    # An environment has no `pydoc`, so the one on PATH belongs to another Python. Keep the user's own `pydoc`.
    pydoc = ["python", "-m", "pydoc"] if "pydoc" not in aliases else None

    @unthreadable
    def deactivate(args=None):
        now = env.detype()
        for name in names:
            again = old.get(name)
            if name in lists and name in now:
                # Keep entries that were added around ours.
                entry, whole = lists[name]
                entries = raw(name)
                if entries != whole and entry in entries:
                    entries.remove(entry)
                    again = entries
            if again is not None:
                env[name] = again
            elif name in now:
                del env[name]
        if fields.get("env_name") is env_name:
            fields["env_name"] = old_field
            if old_field is None:
                del fields["env_name"]
        if pydoc and aliases._raw.get("pydoc") == pydoc:
            del aliases["pydoc"]
        if aliases.get("deactivate") is not None:
            del aliases["deactivate"]

    # The user may have registered a variable with a type that does not accept its new value.
    aliases["deactivate"] = deactivate
    try:
        prepend("PATH", bin_directory)
        prepend("PKG_CONFIG_PATH", pkg_config)
        env["VIRTUAL_ENV"] = root
        env["VIRTUAL_ENV_PROMPT"] = prompt
        if __CLOCHE_TCL_LIBRARY__:
            env["TCL_LIBRARY"] = decoded(__CLOCHE_TCL_LIBRARY__)
        if __CLOCHE_TK_LIBRARY__:
            env["TK_LIBRARY"] = decoded(__CLOCHE_TK_LIBRARY__)
    except Exception:
        deactivate()
        raise
    if "PYTHONHOME" in old:
        del env["PYTHONHOME"]
    fields["env_name"] = env_name
    if pydoc:
        aliases["pydoc"] = pydoc


try:
    _cloche_activate()
finally:
    del _cloche_activate
