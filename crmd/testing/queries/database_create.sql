-- Used as a template only: names cannot be parameters. {name} and {template} are made by the test kit itself.
CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy
