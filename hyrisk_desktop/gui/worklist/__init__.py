"""The worklist in the window: its model and panel, and what goes on behind it."""
