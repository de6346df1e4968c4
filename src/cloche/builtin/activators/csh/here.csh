# Find the path of this file. csh does not provide it, so use the open files of the process (/proc on Linux, or lsof).
# A quoted word is never expanded as an alias.
if (-d /proc/$$/fd) then
    set _virtual_file = "`'find' /proc/$$/fd -type l -exec readlink '{}' \; | 'grep' -x '.*/activate.csh' | 'tail' -n 1`"
else
    set _virtual_file = "`'lsof' -a -p $$ -Fn |& 'sed' -n 's,^n\(/.*/activate.csh\),\1,p' | 'tail' -n 1`"
endif
if ($#_virtual_file != 1) then
    set _virtual_file = ''
    if ($?VIRTUAL_ENV_SCRIPT) then
        set _virtual_file = $VIRTUAL_ENV_SCRIPT:q
    endif
endif
set _virtual_file = "$_virtual_file:h"
set _virtual_root = "$_virtual_file:h"
if (! -f $_virtual_root:q/__CLOCHE_BIN_NAME__/activate.csh) then
    sh -c 'printf "%s\n" "$@" >&2' sh 'cannot determine the path of this script; in this shell, type:' \
        '    setenv VIRTUAL_ENV_SCRIPT /ENVIRONMENT/bin/activate.csh; source $VIRTUAL_ENV_SCRIPT:q'
    goto _virtual_end
endif
set _virtual_prompt = __CLOCHE_PROMPT__
if (__CLOCHE_NAMING__ == directory) set _virtual_prompt = "$_virtual_root:t"
