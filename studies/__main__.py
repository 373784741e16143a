"""`python -m studies` is the command `hpo`."""

from studies.cli.commands import main

main()
