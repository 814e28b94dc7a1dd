"""The table of all mutants."""

from __future__ import annotations

from tests.mutants.calcium import CALCIUM
from tests.mutants.desk import DESK
from tests.mutants.desks import DESKS
from tests.mutants.edges import EDGES
from tests.mutants.engines import ENGINES
from tests.mutants.imaging import IMAGING
from tests.mutants.languages import LANGUAGES
from tests.mutants.packaging import PACKAGING
from tests.mutants.prior import PRIOR
from tests.mutants.reading import READING
from tests.mutants.reports import REPORTS
from tests.mutants.risk import RISK
from tests.mutants.standing import STANDING
from tests.mutants.steady import STEADY
from tests.mutants.training import TRAINING
from tests.mutants.whole_heart import WHOLE_HEART

MUTANTS = (
    *CALCIUM, *DESK, *DESKS, *EDGES, *ENGINES, *RISK, *IMAGING, *LANGUAGES, *PACKAGING, *PRIOR, *READING, *REPORTS, *STANDING, *STEADY, *TRAINING,
    *WHOLE_HEART,
)  # fmt: skip
