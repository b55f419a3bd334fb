"""Signal processing for EMG, pure: arrays in, arrays and integers out.

No clock, file, log, thread or network, and no scipy except in `dsp.design`, which is why nothing is
imported here. Start reading at `dsp.chain`.
"""
