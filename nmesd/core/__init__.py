"""What to do: pure decisions over frozen values of integers. No clock, no I/O, no numpy."""
