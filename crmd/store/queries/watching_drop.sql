-- This daemon has no live streams any more. $1 uuid: our hub. Index: watching_pkey.
DELETE FROM crmd.watching WHERE id = $1
