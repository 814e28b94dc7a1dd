"""Dialogs about a whole list."""
