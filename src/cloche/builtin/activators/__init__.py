"""What activates an environment, a package for each shell: the script files and the quoter."""
