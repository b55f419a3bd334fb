"""nmesd: closed-loop, EMG-triggered neuromuscular electrical stimulation.

Research software, not a medical device.
"""
