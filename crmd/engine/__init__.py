"""The loops of a daemon: each a small `…_once` that tests call, run for ever by one wrapper."""
