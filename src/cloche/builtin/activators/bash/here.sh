# Find the path of this file. bash, zsh and ksh93 each provide it in a different way. For other shells, use the open
# files of the process (on Linux): among those with this file's name, it is the last one opened.
_VIRTUAL_FILE=
# shellcheck disable=SC3028  # only bash reads its variable
case "${BASH_VERSION:+bash}${ZSH_VERSION:+zsh}${KSH_VERSION-}" in
    bash*) _VIRTUAL_FILE="${BASH_SOURCE-}" ;;
    zsh*) eval '_VIRTUAL_FILE="${funcsourcetrace[1]-}"; _VIRTUAL_FILE="${_VIRTUAL_FILE%:*}"' ;;
    Version*) eval '_VIRTUAL_FILE="${.sh.file}"' ;;
    *)
        _VIRTUAL_NAME=3
        while [ "$_VIRTUAL_NAME" -lt 128 ]; do # yash opens scripts as descriptor 100
            if [ -f "/proc/self/fd/$_VIRTUAL_NAME" ]; then
                {
                    _OLD_VIRTUAL_VALUE=$(PATH="${PATH-}:/usr/bin:/bin" readlink /proc/self/fd/0 && echo .) || :
                } 2>/dev/null <"/proc/self/fd/$_VIRTUAL_NAME" || :
                case "$_OLD_VIRTUAL_VALUE" in
                    */__CLOCHE_BIN_NAME__/activate??) _VIRTUAL_FILE="${_OLD_VIRTUAL_VALUE%??}" ;;
                esac
            fi
            _VIRTUAL_NAME=$((_VIRTUAL_NAME + 1))
        done
        ;;
esac
[ -f "$_VIRTUAL_FILE" ] || _VIRTUAL_FILE="${VIRTUAL_ENV_SCRIPT-}"
case "$_VIRTUAL_FILE" in
    -*) _VIRTUAL_FILE="./$_VIRTUAL_FILE" ;;
    */*) ;;
    *) _VIRTUAL_FILE="./$_VIRTUAL_FILE" ;;
esac
while [ -h "$_VIRTUAL_FILE" ]; do
    _OLD_VIRTUAL_VALUE=$(PATH="${PATH-}:/usr/bin:/bin" readlink "$_VIRTUAL_FILE" && echo .) || :
    case "$_OLD_VIRTUAL_VALUE" in
        /*) _VIRTUAL_FILE="${_OLD_VIRTUAL_VALUE%??}" ;;
        *) _VIRTUAL_FILE="${_VIRTUAL_FILE%/*}/${_OLD_VIRTUAL_VALUE%??}" ;;
    esac
done
# Get its directory as a logical path; if that is a symbolic link, as a physical path.
for _VIRTUAL_NAME in -L -P; do
    _OLD_VIRTUAL_VALUE=$(
        CDPATH=''
        if [ -n "${ZSH_VERSION-}" ]; then
            builtin cd -q "$_VIRTUAL_NAME" "${_VIRTUAL_FILE%/*}"
        else
            command cd "$_VIRTUAL_NAME" "${_VIRTUAL_FILE%/*}"
        fi 2>/dev/null && pwd "$_VIRTUAL_NAME" && echo .
    ) || :
    _OLD_VIRTUAL_VALUE="${_OLD_VIRTUAL_VALUE%??}"
    if ! [ -h "$_OLD_VIRTUAL_VALUE" ]; then
        break
    fi
done
VIRTUAL_ENV=
case "$_OLD_VIRTUAL_VALUE" in
    */__CLOCHE_BIN_NAME__) VIRTUAL_ENV="${_OLD_VIRTUAL_VALUE%/*}" ;;
esac
if ! [ -f "${VIRTUAL_ENV:-/dev/null}/"__CLOCHE_BIN_NAME__/activate ]; then
    echo 'cannot determine the path of this script; in this shell, type:' >&2
    echo '    VIRTUAL_ENV_SCRIPT=ENVIRONMENT/bin/activate; . "$VIRTUAL_ENV_SCRIPT"' >&2
    _OLD_VIRTUAL_BIN=/dev/null
    unset _VIRTUAL_TCL _VIRTUAL_TK _VIRTUAL_LINE _VIRTUAL_EXPORTS _VIRTUAL_NAME _VIRTUAL_FILE
    deactivate
    return 1
fi
unset _VIRTUAL_FILE
VIRTUAL_ENV_PROMPT=__CLOCHE_PROMPT__
# shellcheck disable=SC2194  # the slot is not a constant
case __CLOCHE_NAMING__ in
    directory) VIRTUAL_ENV_PROMPT="${VIRTUAL_ENV##*/}" ;;
esac
