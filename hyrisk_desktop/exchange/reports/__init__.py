"""A reading as a file that others understand, and the readers of what this program wrote."""
