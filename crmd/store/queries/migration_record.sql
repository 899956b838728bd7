-- Books a migration in the transaction that applied it.
-- $1 text: namespace, $2 int: number, $3 text: name, $4 text: SHA-256 of the file, hex
INSERT INTO crmd.migration (namespace, number, name, sha256) VALUES ($1, $2, $3, $4)
