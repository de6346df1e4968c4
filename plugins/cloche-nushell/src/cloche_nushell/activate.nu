# Activates this environment in Nushell; `deactivate` undoes it.
#
#     overlay use .venv/bin/activate.nu
#
# Old values are saved in one variable, which is a record, so child processes do not inherit it. Hiding the overlay also
# deactivates the environment, but discards everything that was set since; `deactivate` keeps that.

const PLAIN = [VIRTUAL_ENV VIRTUAL_ENV_PROMPT PYTHONHOME TCL_LIBRARY TK_LIBRARY]

def path-name [] {
    if 'Path' in $env { 'Path' } else { 'PATH' }
}

def get-or-null [name: string]: record -> any {
    if $name in $in { $in | get $name }
}

# Return a list without the first occurrence of an entry; null if there is none.
def without [entry: string]: list<string> -> any {
    let list = $in
    let at = ($list | enumerate | where item == $entry)
    if ($at | is-empty) { null } else { $list | drop nth ($at | first).index }
}

# Return the directories in a variable: PATH is already a list, others are strings. Other types contain none.
def directories []: any -> list<any> {
    let value = $in
    match ($value | describe | str replace --regex '<.*' '') {
        'list' => $value
        'string' if $value != '' => ($value | split row (char esep))
        _ => []
    }
}

# Return the variables with these names that are set. `insert` would call a closure, such as that of the prompt.
def pick [...names: string]: record -> record {
    let values = $in
    $names | where { |name| $name in $values } | reduce --fold {} { |name, found|
        $found | merge { ($name): ($values | get $name) }
    }
}

# Return the value to which a list of directories is restored, or null to unset it. Entries that were added around ours
# are kept. Without our entry, the list gets its old value.
def list-again [now: any, old: any, ours: record] {
    let kept = if $now != null and $now != $ours.whole { $now | directories | without $ours.entry }
    if $kept == null { $old } else if ($now | describe) == 'string' { $kept | str join (char esep) } else { $kept }
}

# This is one function because variables hidden in a nested call would reappear.
def --env leave [] {
    if '_OLD_NUSHELL' in $env {
        let was = $env._OLD_NUSHELL
        let path = (path-name)
        let lists = {
            ($path): (list-again ($env | get-or-null $path) ($was.old | get-or-null $path) ($was.new | get $path))
            PKG_CONFIG_PATH: (list-again $env.PKG_CONFIG_PATH? $was.old.PKG_CONFIG_PATH? $was.new.PKG_CONFIG_PATH)
        }
        # If the prompt is not ours, the user has set another one: keep it.
        let prompt = if $was.prompt? != null and $env.PROMPT_COMMAND? == $was.prompt { [PROMPT_COMMAND] } else { [] }
        let again = ($was.old | pick ...$PLAIN ...$prompt | merge $lists)
        let names = [...$PLAIN ...$prompt $path PKG_CONFIG_PATH]
        let gone = ($names | where { |name| ($again | get-or-null $name) == null })
        load-env ($again | pick ...($names | where { |name| $name not-in $gone }))
        hide-env --ignore-errors _OLD_NUSHELL ...$gone
    }
}

# An environment has no `pydoc`, so the one on PATH belongs to another Python.
export def --wrapped pydoc [...arguments] {
    ^python -m pydoc ...$arguments
}

# Deactivate the active environment.
export def --env deactivate [] {
    leave
}

export-env {
    let root = __CLOCHE_ROOT__
    let bin = __CLOCHE_BIN__
    let pkg_config = __CLOCHE_PKG_CONFIG__
    let name = __CLOCHE_PROMPT__
    if not ($bin | path exists) {
        error make --unspanned {
            msg: 'this environment was moved; to repair it, type: cloche doctor --fix ENVIRONMENT'
        }
    }

    leave

    let path = (path-name)
    let old = ($env | pick ...$PLAIN $path PKG_CONFIG_PATH PROMPT_COMMAND)
    let before = ($old.PKG_CONFIG_PATH? | directories)
    let new = {
        ($path): { entry: $bin, whole: [$bin ...($old | get-or-null $path | directories)] }
        PKG_CONFIG_PATH: {
            entry: $pkg_config
            whole: ([$pkg_config ...$before] | str join (char esep))
        }
    }

    load-env {
        VIRTUAL_ENV: $root
        VIRTUAL_ENV_PROMPT: $name
        ($path): ($new | get $path).whole
        PKG_CONFIG_PATH: $new.PKG_CONFIG_PATH.whole
        # Programs do not receive null, which is not a string. Hiding the variable would outlast the overlay.
        PYTHONHOME: null
    }
    let tcl = __CLOCHE_TCL_LIBRARY__
    let tk = __CLOCHE_TK_LIBRARY__
    if $tcl != '' { $env.TCL_LIBRARY = $tcl }
    if $tk != '' { $env.TK_LIBRARY = $tk }

    # The prompt is a closure that looks the name up at each call.
    let prompt = if ($env.VIRTUAL_ENV_DISABLE_PROMPT? | is-empty) {
        let inner = $old.PROMPT_COMMAND?
        {||
            let rest = if ($inner | describe) == 'closure' { do $inner } else { $inner | default $env.PWD }
            $"\(($env.VIRTUAL_ENV_PROMPT)) ($rest)"
        }
    }
    if $prompt != null { $env.PROMPT_COMMAND = $prompt }
    $env._OLD_NUSHELL = { old: $old, new: $new, prompt: $prompt }
}
