"""``python -m ganforge`` is ``ganforge``."""

from ganforge.cli import main

if __name__ == "__main__":
    main()
