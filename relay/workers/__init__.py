"""Several processes of one daemon: a supervisor and its workers."""
