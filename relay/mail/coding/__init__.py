"""Codings that carry files in lines of text: base64 and uuencode."""
