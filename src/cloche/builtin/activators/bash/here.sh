# Find the path of this file. bash, zsh and ksh93 each provide it in a different way. For other shells, use the open
# files of the process (on Linux): among those with this file's name, it is the last one opened.
_VIRTUAL_FILE=
# shellcheck disable=SC3028  # only bash reads its variable
case "${BASH_VERSION:+bash}${ZSH_VERSION:+zsh}${KSH_VERSION-}" in
    bash*) _VIRTUAL_FILE="${BASH_SOURCE-}" ;;
    zsh*) "$_VIRTUAL_BUILTIN" eval '_VIRTUAL_FILE="${funcsourcetrace[1]-}"; _VIRTUAL_FILE="${_VIRTUAL_FILE%:*}"' ;;
    Version*) "$_VIRTUAL_BUILTIN" eval '_VIRTUAL_FILE="${.sh.file}"' ;;
    *)
        _VIRTUAL_FD=3
        while "$_VIRTUAL_BUILTIN" [ "$_VIRTUAL_FD" -lt 128 ]; do # yash opens scripts as descriptor 100
            if "$_VIRTUAL_BUILTIN" [ -f "/proc/self/fd/$_VIRTUAL_FD" ]; then
                {
                    _VIRTUAL_VALUE=$(
                        PATH="${PATH-}:/usr/bin:/bin" readlink /proc/self/fd/0 && "$_VIRTUAL_BUILTIN" echo .
                    ) || "$_VIRTUAL_BUILTIN" :
                } 2>/dev/null <"/proc/self/fd/$_VIRTUAL_FD" || "$_VIRTUAL_BUILTIN" :
                case "$_VIRTUAL_VALUE" in
                    */__CLOCHE_BIN_NAME__/activate??) _VIRTUAL_FILE="${_VIRTUAL_VALUE%??}" ;;
                esac
            fi
            _VIRTUAL_FD=$((_VIRTUAL_FD + 1))
        done
        ;;
esac
"$_VIRTUAL_BUILTIN" [ -f "$_VIRTUAL_FILE" ] || _VIRTUAL_FILE="${VIRTUAL_ENV_SCRIPT-}"
case "$_VIRTUAL_FILE" in
    -*) _VIRTUAL_FILE="./$_VIRTUAL_FILE" ;;
    */*) ;;
    *) _VIRTUAL_FILE="./$_VIRTUAL_FILE" ;;
esac
while "$_VIRTUAL_BUILTIN" [ -h "$_VIRTUAL_FILE" ]; do
    _VIRTUAL_VALUE=$(PATH="${PATH-}:/usr/bin:/bin" readlink "$_VIRTUAL_FILE" && "$_VIRTUAL_BUILTIN" echo .) || "$_VIRTUAL_BUILTIN" :
    case "$_VIRTUAL_VALUE" in
        /*) _VIRTUAL_FILE="${_VIRTUAL_VALUE%??}" ;;
        *) _VIRTUAL_FILE="${_VIRTUAL_FILE%/*}/${_VIRTUAL_VALUE%??}" ;;
    esac
done
# Get its directory as a logical path; if that is a symbolic link, as a physical path.
for _VIRTUAL_NAME in -L -P; do
    _VIRTUAL_VALUE=$(
        CDPATH=''
        if "$_VIRTUAL_BUILTIN" [ -n "${ZSH_VERSION-}" ]; then
            "$_VIRTUAL_BUILTIN" cd -q "$_VIRTUAL_NAME" "${_VIRTUAL_FILE%/*}"
        else
            "$_VIRTUAL_BUILTIN" cd "$_VIRTUAL_NAME" "${_VIRTUAL_FILE%/*}"
        fi 2>/dev/null && "$_VIRTUAL_BUILTIN" pwd "$_VIRTUAL_NAME" && "$_VIRTUAL_BUILTIN" echo .
    ) || "$_VIRTUAL_BUILTIN" :
    _VIRTUAL_VALUE="${_VIRTUAL_VALUE%??}"
    if ! "$_VIRTUAL_BUILTIN" [ -h "$_VIRTUAL_VALUE" ]; then
        "$_VIRTUAL_BUILTIN" break
    fi
done
_VIRTUAL_ROOT=
case "$_VIRTUAL_VALUE" in
    */__CLOCHE_BIN_NAME__) _VIRTUAL_ROOT="${_VIRTUAL_VALUE%/*}" ;;
esac
"$_VIRTUAL_BUILTIN" unset _VIRTUAL_FILE _VIRTUAL_FD _VIRTUAL_VALUE _VIRTUAL_NAME
if ! "$_VIRTUAL_BUILTIN" [ -f "${_VIRTUAL_ROOT:-/dev/null}/"__CLOCHE_BIN_NAME__/activate ]; then
    "$_VIRTUAL_BUILTIN" echo 'cannot determine the path of this script; in this shell, type:' >&2
    "$_VIRTUAL_BUILTIN" echo '    VIRTUAL_ENV_SCRIPT=ENVIRONMENT/bin/activate; . "$VIRTUAL_ENV_SCRIPT"' >&2
    "$_VIRTUAL_BUILTIN" eval "$_VIRTUAL_RESTORE"
    "$_VIRTUAL_BUILTIN" unset _VIRTUAL_ROOT _VIRTUAL_RESTORE _VIRTUAL_BUILTIN
    "return" 1 2>&-
else
    _VIRTUAL_PROMPT=__CLOCHE_PROMPT__
    # shellcheck disable=SC2194  # the slot is not a constant
    case __CLOCHE_NAMING__ in
        directory) _VIRTUAL_PROMPT="${_VIRTUAL_ROOT##*/}" ;;
    esac
fi
