"""What all tests share: none of them reads or writes the user's cache of compiled code."""

from __future__ import annotations

import gc
import os

os.environ["WHERRY_CACHE"] = "0"


def pytest_collection_finish() -> None:
    """Keep the collected tests, some hundred thousand objects, out of the collector's rounds."""
    gc.collect()
    gc.freeze()
