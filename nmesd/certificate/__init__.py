"""The latency certificate of one unit: measured on it, with its own files, idle and under load. `run.py` first."""
