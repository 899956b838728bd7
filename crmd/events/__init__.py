"""What becomes of events: functions that may veto them, replays, projections."""
