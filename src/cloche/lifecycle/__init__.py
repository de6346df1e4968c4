"""Environments that exist, whoever made them: read, examined, repaired, moved, upgraded.

Where to look, from what is asked of an environment down to the notations in its files:

- what it is: `reading` (from `pyvenv.cfg` and the directories), `installed` and `record` (its distributions), `info`
  (all of it, for `cloche info`), `search` (where there are some);
- what its files hold: `plain` opens them, whatever stands in their place;
- whether it works: `examination` starts it, `case` holds what is known, `checks` find what is wrong, `diagnosis` asks them;
- what is done to it: `mending`, `moving` with `outside`, `upgrading` and, for another ABI, `rebuilding` with `inventory`,
  `running`; `basing` is on which interpreter it stands; every change goes through a `overlay`, which one transaction makes
  real;
- where it says where it is: `places` knows which file is written in which notation, `relocation` the notations of texts,
  `activators` those of shells, `shebangs` and `launchers` those of scripts.
"""
