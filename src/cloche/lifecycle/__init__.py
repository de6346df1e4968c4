"""The life of environments: create them; read, verify, repair, move, upgrade and pack those of any creator; run commands in them.

The modules, from what an environment is down to the notations of its files:

- where one comes from: `create`;
- what it is: `reader` (its `pyvenv.cfg` and its directories), `installed` (its distributions), `info` (all of that, for
  `cloche info`), `finder` (the environments below a directory);
- what `cloche info` adds to that: `startup_code`, `needs` of a portable environment, `bill_of_materials`;
- whether it works: `examination` starts its Python, `case` has the values, `checks` report findings (`lost_targets` finds
  the cause of some), `diagnosis` runs them all;
- whether its files are those that were installed: `verify`, with `compiled` for bytecode and `lock_comparison` for the lock
  file as it is now;
- what changes it: `repair`, `move` (with `external_references`), `upgrade`, `rebase` for a base interpreter of the same
  ABI, and `rebuild` with `inventory` for another ABI; every change is an edit of an `overlay`, which one transaction
  applies;
- what keeps it in line with a lock file: `locked` decides whether something differs, `locked_update` plans the change;
- what uses it: `run` runs a command in it, `pack` writes it as one file, `unpack` puts such a file in place;
- which of its files contain its path: `embedded_paths` knows the notation of each file, `relocation` replaces paths in
  text, `activation_scripts`, `shebangs`, `launchers` and `recorded_command` parse the remaining notations.
"""
