"""The real-time process: pulls EMG, filters, decides, renews the lease. numpy and pylsl only."""
