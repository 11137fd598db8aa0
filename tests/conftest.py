"""Lets tests import what they share, modules beside this file (`from parity import ...`)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
