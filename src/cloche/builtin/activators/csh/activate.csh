# Activates this environment in the current csh or tcsh; `deactivate` undoes it.
# Use:  source bin/activate.csh

if ($?0) then
    if ($0:t == activate.csh) then
        sh -c 'echo "this script must be sourced, not run; type: source $0" >&2' $0:q
        exit 33
    endif
endif

# If PATH is read-only, stop here. Nothing changes before the environment is found.
if ($?PATH) then
    setenv PATH $PATH:q
endif

set _virtual_names = () # empty until the environment is found
set _virtual_root = __CLOCHE_ROOT__
set _virtual_prompt = __CLOCHE_PROMPT__
if (! -d $_virtual_root:q/__CLOCHE_BIN_NAME__) then
    sh -c 'echo "this environment was moved; to repair it, type: cloche doctor --fix ENVIRONMENT" >&2'
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
        alias _virtual_leave_$_virtual_name 'setenv '$_virtual_name' $_OLD_VIRTUAL_'$_virtual_name':q'
    else
        alias _virtual_leave_$_virtual_name unsetenv $_virtual_name
    endif
end

# From here on, `deactivate` restores everything, even if a statement fails.
alias _virtual_leave_prompt ''
alias _virtual_leave_pydoc ''
alias _virtual_leave '_virtual_leave_PATH; _virtual_leave_PYTHONHOME; _virtual_leave_PKG_CONFIG_PATH;' \
    '_virtual_leave_VIRTUAL_ENV; _virtual_leave_VIRTUAL_ENV_PROMPT;' \
    '_virtual_leave_TCL_LIBRARY; _virtual_leave_TK_LIBRARY; _virtual_leave_prompt; _virtual_leave_pydoc;' \
    'unalias _virtual_leave_*; unset _OLD_VIRTUAL_*; rehash; alias _virtual_leave ""'
alias deactivate '_virtual_leave; if ("\!:*" != nondestructive) unalias _virtual_leave deactivate'

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
# In tcsh, the prompt can be read-only. `set -r` lists the read-only variables, each with a tab after its name.
if ($?tcsh && $_virtual_has_prompt) then
    set _virtual_fixed = ("`set -r`")
    if (" $_virtual_fixed" =~ *' prompt	'*) set _virtual_has_prompt = 0
endif
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

# An environment has no `pydoc`, so the one on PATH belongs to another Python. Keep a `pydoc` of the user.
if ("`alias pydoc`" == '') then
    alias pydoc 'python -m pydoc'
    alias _virtual_leave_pydoc unalias pydoc
endif

_virtual_end:
rehash
if ($#_virtual_names) unset _virtual_*
# The last command, which decides about the status of `source`, runs only if the environment was not found.
if ($?_virtual_names) eval 'unset _virtual_*; set status = 1'
