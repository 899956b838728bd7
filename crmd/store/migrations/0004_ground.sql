-- Room for what a waiting job may wait for beside its time: earlier jobs, its own children before it goes on, or
-- somebody's look. And a job that was never started may lapse.

ALTER TABLE crmd.job DROP CONSTRAINT job_held_check;
ALTER TABLE crmd.job ADD CONSTRAINT job_held_check
    CHECK (held IN ('children', 'gather', 'after', 'suspect', 'reconcile')) NOT VALID;
ALTER TABLE crmd.job ADD COLUMN expires_at timestamptz; -- if it has not started by then; NULL: it waits for ever
CREATE INDEX job_expires ON crmd.job (expires_at) WHERE expires_at IS NOT NULL AND started_at IS NULL;
