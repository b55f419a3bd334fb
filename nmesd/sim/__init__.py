"""The world nmesd is tried in: a virtual patient and players of recordings. Never imported by what stimulates."""
