"""What all tests share: none of them reads or writes the user's cache of compiled code.

A run has a cache of its own, which its workers share, as many tests compile what others do. What
tests the compiler itself does without (`tests/codegen`).
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile

import pytest

_IS_WORKER = "PYTEST_XDIST_WORKER" in os.environ
if not _IS_WORKER:  # workers inherit it
    os.environ["WHERRY_CACHE_DIR"] = tempfile.mkdtemp(prefix="wherry-tests-")
    os.environ.pop("WHERRY_CACHE", None)


def pytest_collection_finish() -> None:
    """Keep the collected tests, some hundred thousand objects, out of the collector's rounds."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the cache at the end."""
    if not _IS_WORKER:
        shutil.rmtree(os.environ["WHERRY_CACHE_DIR"], ignore_errors=True)
