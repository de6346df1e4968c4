# Activates this environment in the current csh or tcsh; `deactivate` undoes it.
# Use:  source bin/activate.csh

# Aliases also apply to keywords and builtins in scripts. Remove those of the words used here, and restore them at the end.
# A word after '' is not expanded as an alias, but is not a keyword either. csh refuses aliases of `alias` and `unalias`.
''set _virtual_alias_set = "`alias set`"
''set _virtual_alias_foreach = "`alias foreach`"
''set _virtual_alias_end = "`alias end`"
unalias set foreach end
set _virtual_names = (if else endif goto exit eval setenv unsetenv unset rehash)
foreach _virtual_name ($_virtual_names)
    ''eval 'set _virtual_alias_'$_virtual_name' = "`alias '$_virtual_name'`"; unalias '$_virtual_name
end
set _virtual_restore = ''
foreach _virtual_name (set foreach end $_virtual_names)
    eval 'set _virtual_value = $_virtual_alias_'$_virtual_name':q'
    if ($_virtual_value:q != '') then
        set _virtual_restore = "$_virtual_restore:q alias $_virtual_name "'$_virtual_alias_'"$_virtual_name"':q;'
    endif
end
set _virtual_status = 1 # until the environment is active

if ($?0) then
    if ($0:t == activate.csh) then
        'sh' -c 'echo "this script must be sourced, not run; type: source $0" >&2' $0:q
        exit 33
    endif
endif

# Nothing changes before the environment is found.
set _virtual_root = __CLOCHE_ROOT__
set _virtual_prompt = __CLOCHE_PROMPT__
if (! -d $_virtual_root:q/__CLOCHE_BIN_NAME__) then
    'sh' -c 'echo "this environment was moved; to repair it, type: cloche doctor --fix ENVIRONMENT" >&2'
    goto _virtual_end
endif

# In tcsh, variables can be read-only. A shell variable hides an environment variable with the same name, so remove it until
# the end. `set` lists the shell variables, and `set -r` those that are read-only, each with a tab after the name.
set _virtual_names = (PATH VIRTUAL_ENV VIRTUAL_ENV_PROMPT PYTHONHOME PKG_CONFIG_PATH TCL_LIBRARY TK_LIBRARY)
set _virtual_fixed = ''
set _virtual_refused = ''
if ($?tcsh) then
    set _virtual_fixed = ("`set -r`")
    set _virtual_shell = ("`set`")
    foreach _virtual_name (path PROMPT $_virtual_names)
        foreach _virtual_value ($_virtual_name _OLD_VIRTUAL_$_virtual_name)
            if (" $_virtual_fixed" =~ *" $_virtual_value	"*) set _virtual_refused = $_virtual_value
        end
        if (" $_virtual_shell" =~ *" $_virtual_name	"* && $_virtual_name != path) then
            eval 'set _virtual_shell_'$_virtual_name' = ($'$_virtual_name':q); unset '$_virtual_name
            set _virtual_restore = "$_virtual_restore:q set $_virtual_name = ("'$_virtual_shell_'"$_virtual_name"':q);'
        endif
    end
endif
if ($_virtual_refused != '') then
    'sh' -c 'echo "cannot activate: \`$0\` is read-only" >&2' $_virtual_refused
    goto _virtual_end
endif

# Deactivate the active environment with the alias of the tool that activated it.
if ($?_OLD_VIRTUAL_PATH) then
    if ("`alias deactivate`" != '') then
        deactivate nondestructive
    endif
endif

set _virtual_names = (PATH VIRTUAL_ENV VIRTUAL_ENV_PROMPT PYTHONHOME PKG_CONFIG_PATH)
set _virtual_tcl = __CLOCHE_TCL_LIBRARY__
if ($_virtual_tcl:q != '') set _virtual_names = ($_virtual_names TCL_LIBRARY)
set _virtual_tk = __CLOCHE_TK_LIBRARY__
if ($_virtual_tk:q != '') set _virtual_names = ($_virtual_names TK_LIBRARY)

# Save each variable that will change. csh has no functions, so each variable gets an alias that restores it.
alias _virtual_leave_TCL_LIBRARY ''
alias _virtual_leave_TK_LIBRARY ''
foreach _virtual_name ($_virtual_names)
    eval 'set _virtual_is_set = $?'$_virtual_name
    if ($_virtual_is_set) then
        eval 'set _OLD_VIRTUAL_'$_virtual_name' = $'$_virtual_name':q'
        alias _virtual_leave_$_virtual_name "''setenv $_virtual_name "'$_OLD_VIRTUAL_'"$_virtual_name"':q'
    else
        alias _virtual_leave_$_virtual_name "''unsetenv $_virtual_name"
    endif
end

# From here on, `deactivate` restores everything, even if a statement fails.
alias _virtual_leave_prompt ''
alias _virtual_leave_pydoc ''
alias _virtual_leave '_virtual_leave_PATH; _virtual_leave_PYTHONHOME; _virtual_leave_PKG_CONFIG_PATH;' \
    '_virtual_leave_VIRTUAL_ENV; _virtual_leave_VIRTUAL_ENV_PROMPT;' \
    '_virtual_leave_TCL_LIBRARY; _virtual_leave_TK_LIBRARY; _virtual_leave_prompt; _virtual_leave_pydoc;' \
    "unalias _virtual_leave_*; ''unset _OLD_VIRTUAL_*; ''rehash; alias _virtual_leave ''"
# The user's aliases of keywords do not apply in `deactivate` either. They are expanded in all words of a line before it runs.
alias _virtual_done 'if ("\!:*" != nondestructive) unalias _virtual_leave _virtual_done deactivate;' \
    'if ($_virtual_kept_set:q != "") alias set $_virtual_kept_set:q;' \
    'if ($_virtual_kept_if:q != "") alias if $_virtual_kept_if:q;' "''unset _virtual_kept_*"
alias deactivate "''set _virtual_kept_set = "'"`alias set`"; unalias set;' \
    "''set _virtual_kept_if = "'"`alias if`"; unalias if;' "''eval "'"_virtual_leave; _virtual_done \!:*"'

setenv VIRTUAL_ENV $_virtual_root:q
setenv VIRTUAL_ENV_PROMPT $_virtual_prompt:q
unsetenv PYTHONHOME
if ($_virtual_tcl:q != '') setenv TCL_LIBRARY $_virtual_tcl:q
if ($_virtual_tk:q != '') setenv TK_LIBRARY $_virtual_tk:q

set _virtual_rest = ''
if ($?PKG_CONFIG_PATH) then
    if ($PKG_CONFIG_PATH:q != '') set _virtual_rest = ':'$PKG_CONFIG_PATH:q
endif
setenv PKG_CONFIG_PATH $_virtual_root:q/lib/pkgconfig$_virtual_rest:q

set _virtual_rest = ''
if ($?PATH) then
    if ($PATH:q != '') set _virtual_rest = ':'$PATH:q
else
    # Always set: other tools recognize an active environment by it.
    set _OLD_VIRTUAL_PATH = ''
endif
setenv PATH $_virtual_root:q/__CLOCHE_BIN_NAME__$_virtual_rest:q

# tcsh replaces `%$NAME` by the value of NAME and expands nothing in it. In csh, the prompt contains the text itself.
set _virtual_has_prompt = $?prompt
if ($VIRTUAL_ENV_PROMPT:q == '') set _virtual_has_prompt = 0
if ($?VIRTUAL_ENV_DISABLE_PROMPT) then
    if ($VIRTUAL_ENV_DISABLE_PROMPT:q != '') set _virtual_has_prompt = 0
endif
if (" $_virtual_fixed" =~ *' prompt	'*) set _virtual_has_prompt = 0
if ($_virtual_has_prompt) then
    set _OLD_VIRTUAL_PROMPT = ($prompt:q)
    if ($?tcsh) then
        set prompt = ('(%$VIRTUAL_ENV_PROMPT) '$prompt:q)
        # Without the reference, the user has set another prompt: keep it. The prompt can be read-only by then.
        alias _virtual_leave_prompt 'set _OLD_VIRTUAL_FIXED = ("`set -r`");' \
            'if ("$prompt:q" =~ *VIRTUAL_ENV_PROMPT* && " $_OLD_VIRTUAL_FIXED" !~ *" prompt	"*)' \
            'set prompt = ($_OLD_VIRTUAL_PROMPT:q)'
    else
        set prompt = ('('$VIRTUAL_ENV_PROMPT:q') '$prompt:q)
        alias _virtual_leave_prompt 'set prompt = ($_OLD_VIRTUAL_PROMPT:q)'
    endif
endif

# An environment has no `pydoc`, so the one on PATH belongs to another Python. Keep the user's own `pydoc`.
if ("`alias pydoc`" == '') then
    alias pydoc 'python -m pydoc'
    alias _virtual_leave_pydoc unalias pydoc
endif

set _virtual_status = 0

_virtual_end:
rehash
# The last command determines the status of `source`. Aliases are expanded before any word of it runs.
eval "$_virtual_restore:q unset _virtual_*; set status = $_virtual_status"
