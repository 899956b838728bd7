"""`python -m crmd` is the command `crmd`."""

import sys

from crmd.cli import main

if __name__ == "__main__":
    sys.exit(main())
