"""Lets the files of this folder, which Paddle's venv runs too, import each other by name."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
