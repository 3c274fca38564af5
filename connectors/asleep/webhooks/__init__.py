"""Receiving what Asleep posts: ``receiver`` answers, ``writer`` commits, ``inbox`` keeps, ``server`` listens.

What an event means is in ``schemas.asleep_webhook``; what becomes of it in tables is not known here.
"""
