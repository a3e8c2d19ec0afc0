"""The program `mailseal`: one file a subject, each command on the store directly."""
