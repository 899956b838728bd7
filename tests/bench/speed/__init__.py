"""What `make bench` runs: figures of crmd beside a bare queue's, on a PostgreSQL server that it starts for itself.

docs/performance.md tells what each figure means; `python -m speed --help` what may be asked for.
"""
