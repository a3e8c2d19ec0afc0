"""Charsets of mail: labels, codecs, and the order in which codecs are tried."""
