"""The checks of `mailseal doctor`: what a relay needs to receive and send, and how to repair it."""
