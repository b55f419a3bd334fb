"""How soon and how surely onsets are detected: simulated and real EMG, nmesd and the methods of the field."""
