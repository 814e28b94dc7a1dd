"""Exam and reports without identity."""
