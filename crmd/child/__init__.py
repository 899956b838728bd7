"""The processes of jobs: `python -m crmd.child` hosts one plugin and forks a process for each of its jobs."""
