-- Used as a template only: names cannot be parameters. {name} is made by the test kit itself.
DROP DATABASE IF EXISTS "{name}" WITH (FORCE)
