"""wherry.runtime"""

if not __name__.startswith("wherry"):
    raise ImportError(
        "import it as `wherry.runtime`; `runtime` alone would load a second copy of everything"
    )
