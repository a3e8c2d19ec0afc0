"""Web pages: console, approval page, sign-in.

HTML without scripts or remote content.
"""
