"""Exams, readers and reads: the list that is read from top to bottom, and the store that keeps what was read.

`records` and `measure` are plain values; `store` (SQLAlchemy) is imported where it is used, off the GUI thread.
"""
