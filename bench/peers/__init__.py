"""nmesd beside other software for the same work, all on one machine in one run: see __main__.py."""
