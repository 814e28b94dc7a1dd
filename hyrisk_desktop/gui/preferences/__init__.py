"""The settings dialog: a loop over the table of settings."""
