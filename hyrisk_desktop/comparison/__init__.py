"""A patient's current exam beside an earlier one: laid onto each other, measured at the same place, and what has changed."""

from hyrisk_desktop.comparison.change import Change, Comparison, changes_between, compare, same_region
from hyrisk_desktop.comparison.same_patient import check_same_patient

__all__ = ["Change", "Comparison", "changes_between", "check_same_patient", "compare", "same_region"]
