"""Mutants: small faults put into the program one at a time, and the tests that must notice each of them.

``python -m tests.mutants`` runs them by hand; pytest only checks that the table still fits the code.
"""
