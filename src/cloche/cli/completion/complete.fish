# Completes `cloche` in fish. In ~/.config/fish/completions/cloche.fish:  cloche completion fish | source
function __cloche_complete
    set -l words (commandline --cut-at-cursor --tokenize --current-process)
    set -l word (commandline --cut-at-cursor --current-token)
    set -l lines (command cloche completion fish -- $words[2..] "$word" 2>/dev/null </dev/null)
    set -l head (string split \t -- $lines[1])
    printf '%s\n' $lines[2..]
    switch $head[1] # fish itself completes and quotes file names
        case directories
            __fish_complete_directories (string replace -- "$head[2]" '' "$word") '' | string replace -r '^' -- "$head[2]"
        case files
            __fish_complete_path (string replace -- "$head[2]" '' "$word") '' | string replace -r '^' -- "$head[2]"
    end
end
complete --command cloche --no-files --arguments '(__cloche_complete)'
