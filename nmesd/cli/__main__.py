"""`python -m nmesd.cli`."""

from nmesd.cli import main

main()
