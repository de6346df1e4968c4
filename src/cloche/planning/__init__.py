"""Planning: what an environment consists of (a blueprint), and how to create it at a destination (a plan)."""
