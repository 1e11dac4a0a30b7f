"""The table of ops, one family per module. Importing this package fills `wherry.ir.opdef.OPS`."""

from importlib import import_module
from pkgutil import iter_modules

for _module in sorted(module.name for module in iter_modules(__path__)):
    import_module(f"{__name__}.{_module}")
