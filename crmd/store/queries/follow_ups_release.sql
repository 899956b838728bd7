-- Lets follow-ups go whose predecessor is over, a page of them; see crmd.release_followers.
-- $1 uuid: the last id of the page before, NULL: from the start  $2 int: how many to look at. Index: job_follows.
SELECT crmd.release_followers($1, $2)
