# Activates this environment in Elvish; `deactivate` undoes it.
#
# At the prompt:  eval (slurp < .venv/bin/activate.elv)
# In a script:    use ./.venv/bin/activate      and then `activate:deactivate`
#
# Old values are saved in environment variables, because two activations share nothing else. The saved process ID keeps
# a child process that inherits these variables from using them.

use path
use str

var -names = [PATH VIRTUAL_ENV VIRTUAL_ENV_PROMPT PYTHONHOME PKG_CONFIG_PATH TCL_LIBRARY TK_LIBRARY]

fn -is-set {|name value|
  and (has-env $name) (eq (get-env $name) $value)
}

fn -put-back {|name|
  if (has-env _OLD_ELVISH_$name) {
    set-env $name (get-env _OLD_ELVISH_$name)
  } else {
    unset-env $name
  }
}

# Restore a list of directories. Keep entries that were added around ours. Without our entry, restore the old value.
fn -put-back-list {|name|
  var old = ''
  if (has-env _OLD_ELVISH_$name) { set old = (get-env _OLD_ELVISH_$name) }
  var ours = (get-env _NEW_ELVISH_$name)
  var whole = $ours
  if (not-eq $old '') { set whole = $ours$path:list-separator$old }
  if (or (not (has-env $name)) (eq (get-env $name) $whole)) {
    -put-back $name
    return
  }
  var found = $false
  var kept = []
  for entry [(str:split $path:list-separator (get-env $name))] {
    if (and (not $found) (eq $entry $ours)) {
      set found = $true
    } else {
      set kept = [$@kept $entry]
    }
  }
  if $found {
    set-env $name (str:join $path:list-separator $kept)
  } else {
    -put-back $name
  }
}

fn -prepend {|name entry|
  set-env _NEW_ELVISH_$name $entry
  if (and (has-env $name) (not-eq (get-env $name) '')) {
    set-env $name $entry$path:list-separator(get-env $name)
  } else {
    set-env $name $entry
  }
}

fn deactivate {
  if (-is-set _OLD_ELVISH_PID (to-string $pid)) {
    for name $-names {
      if (has-env _NEW_ELVISH_$name) {
        -put-back-list $name
      } else {
        -put-back $name
      }
      unset-env _OLD_ELVISH_$name
      unset-env _NEW_ELVISH_$name
    }
    unset-env _OLD_ELVISH_PID
    unset-env _OLD_ELVISH_PROMPT
  }
  # At the prompt, this function is also a variable, which is removed too.
  try { eval 'edit:del-var deactivate~' } catch _ { nop }
}

# Find the environment. Nothing changes before it is found.
try {
  nop < __CLOCHE_BIN__$path:separator'activate.elv'
} catch _ {
  fail 'this environment was moved; to repair it, type: cloche doctor --fix ENVIRONMENT'
}

# Deactivate the active environment; everything that this needs is in environment variables.
deactivate

for name $-names {
  if (has-env $name) {
    set-env _OLD_ELVISH_$name (get-env $name)
  } else {
    unset-env _OLD_ELVISH_$name
  }
  unset-env _NEW_ELVISH_$name
}
set-env _OLD_ELVISH_PID (to-string $pid)
set-env _OLD_ELVISH_PROMPT (to-string (randint 1000000000))

set-env VIRTUAL_ENV __CLOCHE_ROOT__
set-env VIRTUAL_ENV_PROMPT __CLOCHE_PROMPT__
-prepend PATH __CLOCHE_BIN__
-prepend PKG_CONFIG_PATH __CLOCHE_PKG_CONFIG__
unset-env PYTHONHOME
if (not-eq __CLOCHE_TCL_LIBRARY__ '') { set-env TCL_LIBRARY __CLOCHE_TCL_LIBRARY__ }
if (not-eq __CLOCHE_TK_LIBRARY__ '') { set-env TK_LIBRARY __CLOCHE_TK_LIBRARY__ }

# The wrapper of the prompt looks the name up at each call, and removes itself after deactivation. The module `edit:`
# exists only in interactive sessions. Elsewhere, its name is a compilation error, so this code is in a string.
try {
  eval '
    edit:add-var deactivate~ $deactivate~
    if (or (not (has-env VIRTUAL_ENV_DISABLE_PROMPT)) (eq $E:VIRTUAL_ENV_DISABLE_PROMPT "")) {
      var activation = $E:_OLD_ELVISH_PROMPT
      var old = $edit:prompt
      var wrapper = { }
      set wrapper = {
        if (-is-set _OLD_ELVISH_PROMPT $activation) {
          put "("$E:VIRTUAL_ENV_PROMPT") "
        } elif (eq $edit:prompt $wrapper) {
          set edit:prompt = $old
        }
        $old
      }
      set edit:prompt = $wrapper
    }
  ' &ns=(ns [&deactivate~=$deactivate~ &-is-set~=$-is-set~])
} catch _ {
  nop
}
