"""What leaves the program: documents built from a reading."""
