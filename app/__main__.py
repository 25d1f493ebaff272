"""The command line: `python -m app predict`, `verify` and `serve`."""

import sys

from app.commandline import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
