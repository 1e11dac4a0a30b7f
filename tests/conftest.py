"""What all tests share: none of them reads or writes the user's cache of compiled code."""

from __future__ import annotations

import os

os.environ["WHERRY_CACHE"] = "0"
