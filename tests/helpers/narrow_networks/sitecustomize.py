"""Python runs this as it starts where the folder is on its path: trainings that `narrow_networks` reaches are as narrow as it says."""

import os
import sys
from pathlib import Path

# Processes that tests start may be told nothing of where the program lies.
sys.path.append(str(Path(__file__).parents[3]))

from hyrisk_desktop.risk import depths

depths.FIRST_STAGE = int(os.environ["NARROW_NETWORKS"])
