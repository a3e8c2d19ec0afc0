"""Whether everything that a relay needs is as it should be, and what to do where it is not."""
