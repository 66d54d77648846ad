"""`python -m talkwire_io` is `talkwire`."""

from .cli import main

main()
