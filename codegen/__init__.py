"""wherry.codegen"""

if not __name__.startswith("wherry"):
    raise ImportError(
        "import it as `wherry.codegen`; `codegen` alone would load a second copy of everything"
    )
