"""HyRisk Desktop: all-cause mortality risk from low-dose chest CT. Research use only."""

__version__ = "0.1.0"
