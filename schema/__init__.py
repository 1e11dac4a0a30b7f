"""The files: flatbuffers schemas, their generated accessors, checked reading and atomic writing.

This room knows bytes and tables, never a Program. It may import numpy and flatbuffers only.
"""

if not __name__.startswith("wherry"):
    raise ImportError("import it as `wherry.schema`; `schema` alone would load a second copy")
