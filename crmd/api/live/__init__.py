"""Live streams: what becomes of jobs, told as server-sent events to whoever watches."""
