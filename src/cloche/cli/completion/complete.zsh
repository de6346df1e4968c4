#compdef cloche
# Completes `cloche` in zsh. In ~/.zshrc, after compinit:  eval "$(cloche completion zsh)"
_cloche() {
    local -a lines found
    local paths before line
    lines=("${(@f)$(command cloche completion zsh -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null </dev/null)}")
    paths=${lines[1]%%$'\t'*}
    before=${lines[1]#*$'\t'}
    for line in "${(@)lines[2,-1]}"; do
        found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    (( $#found )) && _describe -t words cloche found
    [[ -n $before ]] && compset -P "${(b)before}"
    case $paths in # zsh itself completes and quotes file names
        directories) _files -/ ;;
        files) _files ;;
    esac
}
if [[ ${funcstack[1]-} == _cloche ]]; then # braces, because the user may have set ksharrays
    _cloche "$@"
elif (( ${+functions[compdef]} )); then
    compdef _cloche cloche
fi
