-- Cancels that cost the same however many jobs have run lately. Rows of crmd.lease live for a moment, so that between two
-- vacuums its pages are mostly dead, and whoever reads all of them reads tens of megabytes.

-- For crmd.cancel, which looks for running children.
CREATE INDEX lease_parent ON crmd.lease (parent_id) WHERE parent_id IS NOT NULL;
-- For each heartbeat, which takes along the jobs that its daemon is asked to cancel; a cancel makes daemons beat at once.
CREATE INDEX lease_cancel ON crmd.lease (daemon_id) WHERE cancel_requested_at IS NOT NULL;
