""":"
# Start the Python beside this file, wherever they are. To Python, this header is an unused string.
case $0 in
    -*) exec /bin/sh "./$0" "$@" ;;
    */./* | */../* | *//*) ;;
    /*) [ -h "$0" ] || [ -h "${0%/*}" ] || exec "${0%/*}/"__CLOCHE_EXECUTABLE__ "$0" "$@" ;;
    */*) ;;
    *) exec /bin/sh "./$0" "$@" ;;
esac
# The file may be a link: follow it, and use the physical path of the directory.
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
