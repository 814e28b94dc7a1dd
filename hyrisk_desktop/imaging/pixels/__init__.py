"""From files to HU, one reader for each kind of file, and the children that decode compressed frames."""
