"""Run the command line as ``python -m sotay``."""

from sotay.cli import main

main()
