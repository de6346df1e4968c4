"""Operations on environments: create them; read, verify, repair, move, upgrade and pack them, whichever tool created them.

The modules and packages, from what an environment is down to the notations of its files:

- where one comes from: `create`, with a blueprint from `cached_blueprints` or, if none is valid, from `resolving`;
- what it is: `reader` (its `pyvenv.cfg` and its directories), `installed` (its distributions), `info` (all of that, for
  `cloche info`), `finder` (the environments below a directory);
- what `cloche info` adds to that: `installed_startup_code`, `needs` of a portable environment, `bill_of_materials`;
- whether it works: `examination` starts its Python, and `doctor` finds and repairs what is wrong;
- whether its files are those that were installed: `verify`;
- what changes it: `doctor.repair`, `move` (with `external_references`) and `upgrade`, with `rebase` for a base interpreter
  of the same ABI and `seed_replacement` for seeds; changes to existing files are edits of an `overlay`, which one
  transaction applies;
- what else is in it: `tree` (all files), `loose_files` (those of no package), `editable_modules` and
  `installed_requirements` of its packages, and `tool_edits` (what known tools do to their environments on purpose);
- what keeps it in line with a lock file: `locked`;
- what uses it: `run` runs a command in it (`python_programs` finds those that come with every Python, `command_failed` is
  its error), `pack` writes it as one file, and `unpack` puts such a file in place (`archive_members` reads any format,
  with `tar_reader` and `unsquashfs`);
- which of its files contain its path: `embedded_paths` knows the notation of each file, `relocation` replaces paths in
  text, `relocation_context` has what that needs, and `recorded_command` parses the command that created an environment.
"""
