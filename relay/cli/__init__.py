"""The command line `mailseal`: one module for each command; commands open the store directly."""
