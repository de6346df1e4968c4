"""Decide what an environment consists of (a blueprint) and what it takes to put it at a place (a plan)."""
