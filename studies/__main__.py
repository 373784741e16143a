"""`python -m studies` is the command `hpo`."""

from studies.cli import main

main()
