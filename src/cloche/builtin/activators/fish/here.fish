# Find the path of this file: the path that was given to fish if it is plain, or else the resolved one. With an empty
# IFS, the output of a command is not split, so that a name may contain a line break.
set -l IFS
set -l end /__CLOCHE_BIN_NAME__/activate.fish
set -l file (status filename)
if not string match -qr '^/' -- "$file"; or string match -qr '/\.{0,2}/' -- "$file"; or test -L "$file"
    set file (builtin realpath -- "$file" 2>/dev/null)
end
if test -L (string replace -r '/[^/]*\z' '' -- "$file")
    set file (builtin realpath -- "$file")
end
set -l virtual_root (string replace -r '.{'(string length -- $end)'}\z' '' -- "$file")
set -l name (string replace -r '(?s)\A.*/' '' -- "$virtual_root")
set -e IFS
if not test -f "$virtual_root$end"
    echo "this script must be sourced from its file: source ENVIRONMENT/bin/activate.fish" >&2
    return 1
end
set -l virtual_prompt __CLOCHE_PROMPT__
test __CLOCHE_NAMING__ = chosen; or set virtual_prompt $name
