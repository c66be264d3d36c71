"""`python -m maskwright` is the command `maskwright`."""

from maskwright.cli.main import main

main()
