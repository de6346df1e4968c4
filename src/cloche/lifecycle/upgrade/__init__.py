"""Upgrade an environment to another Python, and keep what is installed in it.

- what is to be done: `plan`, with an `inventory` of what can be kept;
- for the same ABI: `in_place`, which is a rebase and changes only the files that name the base interpreter;
- for another ABI: `rebuild` creates a new environment and exchanges it with the old one. `successors` has the images of its
  packages, `pip_requests` asks pip for the others, `carried_files` copies other files, and `staged_environment` edits them;
- what may go wrong: `losses` and `verification`.
"""
