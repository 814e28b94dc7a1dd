"""The command line: `hyrisk` and its commands, one file each; `main` puts them together."""
