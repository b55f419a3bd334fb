"""A local web page of the running session, with one button: STOP. A client of daemon and guard, like any other."""
