"""Lets these tests import the modules beside this file and those of tests/."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
