"""The whole heart on screen: scored off the GUI thread, drawn, and given to its vessels."""
