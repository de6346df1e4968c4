# Completes `cloche` in bash. In ~/.bashrc:  eval "$(cloche completion bash)"
_cloche() {
    local paths='' line
    COMPREPLY=()
    while IFS= read -r line; do
        if [ -z "$paths" ]; then
            paths=$line
        else
            COMPREPLY+=("$line")
        fi
    done < <(command cloche completion bash -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null </dev/null)
    case $paths in # bash itself completes and quotes file names
    directories) compopt -o filenames -o plusdirs 2>/dev/null ;;
    files) compopt -o filenames -o default 2>/dev/null ;;
    esac
}
complete -F _cloche cloche
