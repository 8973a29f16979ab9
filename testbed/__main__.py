"""python -m testbed: the command line."""

from testbed.cli import main

main()
