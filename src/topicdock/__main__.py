"""``python -m topicdock``."""

from topicdock.cli import main

main()
