"""The installed models: the shelf and its dialogs."""
