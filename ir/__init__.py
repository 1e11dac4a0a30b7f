"""The IR: Programs of ops in SSA form, the ops' declarations, the passes, the numpy interpreter."""

if not __name__.startswith("wherry"):
    raise ImportError("import it as `wherry.ir`; `ir` alone would load a second copy of everything")
