"""`nmesd calibrate`: rest and best efforts, live or from a recording, to a file per muscle and a picture of it.

It listens and never stimulates. What it finds wrong with the signal it says, and writes nothing. `guide.py` is the
whole of it, `listen.py` where the EMG comes from, `evaluate.py` what it comes to.
"""
