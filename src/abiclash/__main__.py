"""`python -m abiclash`."""

from abiclash.cli import main

if __name__ == "__main__":
    main()
