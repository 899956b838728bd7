-- Clears what a long journey leaves in the tables through which every row goes, or each look would cost more than the
-- one before. No parameters.
VACUUM (TRUNCATE off) crmd.job, crmd.lease, crmd.schedule, crmd.unique_key, crmd.test_clock
