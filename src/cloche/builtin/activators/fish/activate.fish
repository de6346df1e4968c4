# Activates this environment in the fish that reads it; `deactivate` leaves it and puts everything back.
# Use:  source bin/activate.fish
#
# `builtin` stands where a user's function could have taken a builtin's name.

if not status stack-trace | string match -q '*'
    echo "this script changes the fish that reads it, so running it does nothing; type: source "(status filename) >&2
    exit 33
end

# Leave what is active in this fish, through the function of whatever made it.
if set -q _OLD_VIRTUAL_PATH; and builtin functions -q deactivate
    deactivate nondestructive
end

function deactivate -d 'Leave the Python environment and put everything back'
    if set -q _OLD_VIRTUAL_STATE
        # What has been put around our directory in PATH stays. Where ours is gone, PATH becomes what it was.
        set -l place (builtin contains -i -- $_OLD_VIRTUAL_BIN $PATH)
        if test -n "$place"
            set -g _OLD_VIRTUAL_PATH $PATH
            set -e _OLD_VIRTUAL_PATH[$place]
        end
        for entry in $_OLD_VIRTUAL_STATE
            set -l name (string split = $entry)
            set -l saved _OLD_VIRTUAL_$name[1]
            # A saved value is missing where another tool's `deactivate` has put it back already.
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
            # A prompt that does not use the old one is the user's own, chosen meanwhile.
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

# If another tool's environment took the place of one of ours, this puts back what that tool did not know of.
deactivate nondestructive

set -g _OLD_VIRTUAL_STATE
set -l tcl __CLOCHE_TCL_LIBRARY__
set -l tk __CLOCHE_TK_LIBRARY__

# Remember each variable that is about to change, and whether it is exported, set or unset. Only the global scope
# counts: what a universal variable holds shows again by itself when the global one is gone.
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
set -q _OLD_VIRTUAL_PATH; or set -g _OLD_VIRTUAL_PATH # to every tool it says that an environment is active

set -gx VIRTUAL_ENV __CLOCHE_ROOT__
set -gx VIRTUAL_ENV_PROMPT __CLOCHE_PROMPT__
set -g _OLD_VIRTUAL_BIN $VIRTUAL_ENV/__CLOCHE_BIN_NAME__
set -gx PATH $_OLD_VIRTUAL_BIN $PATH
set -l others (string match -v '' -- "$PKG_CONFIG_PATH")
set -gx PKG_CONFIG_PATH $VIRTUAL_ENV/lib/pkgconfig $others
set -eg PYTHONHOME
test -z "$tcl"; or set -gx TCL_LIBRARY $tcl
test -z "$tk"; or set -gx TK_LIBRARY $tk

if test -n "$VIRTUAL_ENV_PROMPT"; and test -z "$VIRTUAL_ENV_DISABLE_PROMPT"; and builtin functions -q fish_prompt
    builtin functions -c fish_prompt _old_fish_prompt
    set -g _OLD_FISH_PROMPT_OVERRIDE $VIRTUAL_ENV # by this name other tools know that the prompt is to be put back
    function fish_prompt
        # The user's prompt comes first, for it may show the status of the last command.
        set -l lines (_old_fish_prompt)
        builtin printf '(%s) ' $VIRTUAL_ENV_PROMPT
        string join -- \n $lines
    end
end

# No environment brings `pydoc`, so the one on PATH would be another Python's. One of the user's own making stays.
if not builtin functions -q pydoc
    function pydoc
        python -m pydoc $argv
    end
    set -a _OLD_VIRTUAL_STATE pydoc
end
