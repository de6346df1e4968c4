""":"
# This starts the Python beside this file, wherever both are. Python sees the whole header as an unused string.
case $0 in
    -*) exec /bin/sh "./$0" "$@" ;;
    */./* | */../* | *//*) ;;
    /*) [ -h "$0" ] || [ -h "${0%/*}" ] || exec "${0%/*}/"__CLOCHE_EXECUTABLE__ "$0" "$@" ;;
    */*) ;;
    *) exec /bin/sh "./$0" "$@" ;;
esac
# The path may contain links: follow all of them, and use the physical path of the directory.
exec "$(
    file=$0
    while [ -h "$file" ]; do
        link=$(readlink "$file" && echo .)
        case $link in
            /*) file=${link%??} ;;
            *) file=${file%/*}/${link%??} ;;
        esac
    done
    CDPATH='' cd -P "${file%/*}" && printf %s "$PWD/"__CLOCHE_EXECUTABLE__
)" "$0" "$@"
"""
