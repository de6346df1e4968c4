"""What a user may ask for after `-p`, and whether an interpreter satisfies it."""
