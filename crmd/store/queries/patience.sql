-- Lets the statements of this transaction take their time: those that read or change a whole table. No parameters.
SET LOCAL statement_timeout = '30min'
