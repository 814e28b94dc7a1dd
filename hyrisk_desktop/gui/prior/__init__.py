"""The exam before: found, shown beside the current one, and compared with it."""
