"""Compose the bytes of an outbound mail: new, reply or forward."""
