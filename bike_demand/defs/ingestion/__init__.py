"""Assets that bring the outside in, or stand at the start of everything."""
