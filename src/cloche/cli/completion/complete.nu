# Completes `cloche` in Nushell. In a file of $nu.user-autoload-dirs:  cloche completion nushell | save cloche.nu
let before_cloche = $env.config.completions.external.completer?
$env.config.completions.external.completer = {|spans|
    if $spans.0 == "cloche" {
        let lines = (do { ^cloche completion nushell -- ...($spans | skip 1) } | complete | get stdout | lines)
        let found = ($lines | skip 1 | each {|line|
            let parts = ($line | split row "\t")
            {value: $parts.0, description: ($parts.1? | default "")}
        })
        # if no word matches where a path may follow, Nushell itself completes file names
        if ($found | is-empty) and not ($lines.0? | default "" | str starts-with "none") { null } else { $found }
    } else if $before_cloche != null {
        do $before_cloche $spans
    }
}
