"""Let `import paddle`, `import paddle.nn` and so on give wherry's own module objects."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

from wherry.schema.errors import WherryError


class _AliasLoader(Loader):
    """Loads `paddle.x` by handing out the module `wherry.x`, which keeps its own `__spec__`."""

    def __init__(self, target: str) -> None:
        self.target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self.target)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just overwritten __spec__ with the alias's; the module is wherry's.
        module.__spec__ = self.spec


class AliasFinder(MetaPathFinder):
    """Finds `paddle` and everything below it as the module of the same path below `wherry`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        root, _, rest = fullname.partition(".")
        if root != "paddle":
            return None
        name = f"wherry.{rest}" if rest else "wherry"
        if find_spec(name) is None:
            return None
        return ModuleSpec(fullname, _AliasLoader(name), is_package=True)


def install_alias() -> None:
    """Put the finder in front of all others, once. Refuses where the real Paddle is loaded."""
    import wherry

    loaded = sys.modules.get("paddle")
    if loaded is not None and loaded is not wherry and not _is_shim(loaded):
        raise WherryError("the real paddle is already imported in this process; start a fresh one")
    if not any(isinstance(finder, AliasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, AliasFinder())


def _is_shim(module: ModuleType | None) -> bool:
    from .run import SHIM

    return str(getattr(module, "__file__", "")).startswith(str(SHIM))
