"""The world nmesd is tried in: a virtual patient, a player of recordings."""
