"""Carry out operations, all or nothing: staging, transaction, journal, and recovery of what killed runs left."""
