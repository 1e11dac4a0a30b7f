"""`python -m wherry` is the command `wherry`."""

from wherry.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
