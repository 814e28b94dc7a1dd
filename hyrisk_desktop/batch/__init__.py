"""Scoring many exams, here or on a cluster: one row each, and a table that is gone on with."""
