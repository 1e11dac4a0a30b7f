"""`import paddle` under `wherry run`, in child processes too: hands out wherry in its place."""

import sys

import wherry
from wherry.cli.alias import install_alias

install_alias()
sys.modules[__name__] = wherry
