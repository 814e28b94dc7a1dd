"""`python -m hyrisk_desktop.cli` is `hyrisk`."""

from hyrisk_desktop.cli.main import main

if __name__ == "__main__":
    main()
