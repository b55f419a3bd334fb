"""What may reach the electrodes. The only room that can open the stimulator; it knows nothing of EMG."""
