-- What this session listens to; asked to notice a listener that died silently. No parameters.
SELECT pg_listening_channels()
