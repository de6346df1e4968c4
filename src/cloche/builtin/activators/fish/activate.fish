# Activates this environment in the current fish shell; `deactivate` undoes it.
# Use:  source bin/activate.fish
#
# `builtin` precedes the builtins that users may have replaced by functions.

if not status stack-trace | string match -q '*'
    echo "this script must be sourced, not run; type: source "(status filename) >&2
    exit 33
end

# Find the environment. Nothing changes before it is found.
set -l virtual_root __CLOCHE_ROOT__
set -l virtual_prompt __CLOCHE_PROMPT__
if not test -d "$virtual_root"/__CLOCHE_BIN_NAME__
    echo 'this environment was moved; to repair it, type: cloche doctor --fix ENVIRONMENT' >&2
    return 1
end

# Deactivate the active environment with the function of the tool that activated it.
if set -q _OLD_VIRTUAL_PATH; and builtin functions -q deactivate
    deactivate nondestructive
end

function deactivate -d 'Deactivate the Python environment'
    if set -q _OLD_VIRTUAL_STATE
        # Keep entries that were added to PATH around ours. Without our entry, PATH gets its old value.
        set -l index (builtin contains -i -- $_OLD_VIRTUAL_BIN $PATH)
        if test -n "$index"
            set -g _OLD_VIRTUAL_PATH $PATH
            set -e _OLD_VIRTUAL_PATH[$index]
        end
        for entry in $_OLD_VIRTUAL_STATE
            set -l name (string split = $entry)
            set -l saved _OLD_VIRTUAL_$name[1]
            # A saved value is missing if another tool's `deactivate` has already restored it.
            switch "$name[2]"
                case exported
                    set -q $saved; and set -gx $name[1] $$saved
                case set
                    set -q $saved; and set -gu $name[1] $$saved
                case unset
                    set -eg $name[1]
            end
            set -eg $saved
        end

        if builtin functions -q _old_fish_prompt
            # If the prompt does not call the old one, the user has set another prompt: keep it.
            if builtin functions fish_prompt | string match -q '*_old_fish_prompt*'
                builtin functions -e fish_prompt
                builtin functions -c _old_fish_prompt fish_prompt
            end
            builtin functions -e _old_fish_prompt
        end
        if builtin contains pydoc $_OLD_VIRTUAL_STATE
            builtin functions -e pydoc
        end
        set -eg _OLD_VIRTUAL_STATE
        set -eg _OLD_VIRTUAL_BIN
        set -eg _OLD_FISH_PROMPT_OVERRIDE
    end
    if test "$argv[1]" != nondestructive
        builtin functions -e deactivate
    end
end

# If another tool replaced one of our environments, restore the variables that it does not know.
deactivate nondestructive

set -g _OLD_VIRTUAL_STATE
set -l tcl __CLOCHE_TCL_LIBRARY__
set -l tk __CLOCHE_TK_LIBRARY__

# Save each variable that will change, and whether it is exported, set or unset. Only the global scope matters, because
# a universal variable becomes visible again when the global one is erased.
for name in PATH VIRTUAL_ENV VIRTUAL_ENV_PROMPT PYTHONHOME PKG_CONFIG_PATH TCL_LIBRARY TK_LIBRARY
    switch $name:$tcl:$tk
        case 'TCL_LIBRARY::*' 'TK_LIBRARY:*:'
            continue
    end
    set -l kind unset
    if set -qg $name
        set -g _OLD_VIRTUAL_$name $$name
        set kind set
        set -qgx $name; and set kind exported
    end
    set -a _OLD_VIRTUAL_STATE $name=$kind
end
set -q _OLD_VIRTUAL_PATH; or set -g _OLD_VIRTUAL_PATH # other tools recognize an active environment by it

set -gx VIRTUAL_ENV $virtual_root
set -gx VIRTUAL_ENV_PROMPT $virtual_prompt
# A local variable of the caller may hide the global VIRTUAL_ENV.
set -g _OLD_VIRTUAL_BIN $virtual_root/__CLOCHE_BIN_NAME__
set -gx PATH $_OLD_VIRTUAL_BIN $PATH
set -l others (string match -v '' -- "$PKG_CONFIG_PATH")
set -gx PKG_CONFIG_PATH $virtual_root/lib/pkgconfig $others
set -eg PYTHONHOME
set -qU PYTHONHOME; and set -gx PYTHONHOME # hides the universal one; Python ignores an empty one
test -z "$tcl"; or set -gx TCL_LIBRARY $tcl
test -z "$tk"; or set -gx TK_LIBRARY $tk

if test -n "$VIRTUAL_ENV_PROMPT"; and test -z "$VIRTUAL_ENV_DISABLE_PROMPT"; and builtin functions -q fish_prompt
    builtin functions -q _old_fish_prompt; and builtin functions -e _old_fish_prompt # what another tool has left
    builtin functions -c fish_prompt _old_fish_prompt
    set -g _OLD_FISH_PROMPT_OVERRIDE $virtual_root # tells other tools to restore the prompt
    function fish_prompt
        # Call the user's prompt first, because it may show the status of the last command.
        set -l lines (_old_fish_prompt)
        builtin printf '(%s) ' $VIRTUAL_ENV_PROMPT
        string join -- \n $lines
    end
end

# An environment has no `pydoc`, so the one on PATH belongs to another Python. Keep the user's own `pydoc`.
if not builtin functions -q pydoc
    function pydoc
        python -m pydoc $argv
    end
    set -a _OLD_VIRTUAL_STATE pydoc
end
