"""The clock's door: work that is due because time has passed."""
