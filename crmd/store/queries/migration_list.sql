-- What has been applied. No parameters; reads the whole ledger.
SELECT namespace, number, name, sha256, applied_at FROM crmd.migration ORDER BY namespace, number
