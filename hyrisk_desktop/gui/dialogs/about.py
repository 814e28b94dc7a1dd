"""What the program is, what it is not for, and its versions."""

from __future__ import annotations

from hyrisk_desktop.exchange.reports.document import versions
from hyrisk_desktop.i18n import tr


def about_text() -> str:
    """The About text."""
    head = tr(
        "HyRisk Desktop reads an all-cause mortality risk from a low-dose chest CT with HyRiskNet, next to the Agatston "
        "and volume scores.\n\nResearch use only. It is not a medical device and must not be used for diagnosis or treatment.\n\n"
        "Method: Yan, Guo, Wang, De Man, Kalra, “Hybrid deep neural networks for all-cause mortality prediction from "
        "LDCT images”, 2018.\n\nVersions:\n"
    )
    return head + "\n".join(f"  {name} {version}" for name, version in versions().items())
