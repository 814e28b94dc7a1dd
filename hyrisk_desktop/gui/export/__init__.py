"""A reading to files and back: dialogs, writers, and the bar that offers a stored report."""
