"""nmesd beside its peers and the floor: from sample to decision over LSL, cost per hop, scale. `__main__.py` first."""
