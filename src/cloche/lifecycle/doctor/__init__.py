"""What is wrong with an environment, and how to repair it.

`case` has the values: what is known about the environment, and findings. `checks` report findings, and `lost_targets` finds
the cause of some. `diagnosis` runs all checks, and `causes` sums up the findings of many environments. `repair` plans the
edits that remove findings.
"""
