"""Chaos: real daemons on a scratch database, while everything around them fails, and a check of what is left.

The plan of faults is a pure function of a seed; what happened is kept outside the database as well, and compared.
"""
