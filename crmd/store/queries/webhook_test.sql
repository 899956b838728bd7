-- Sends a message that says nothing; answers its delivery. See crmd.test_webhook. $1 uuid: webhook. Index: webhook_pkey.
SELECT crmd.test_webhook($1)
