"""PostgreSQL, and only PostgreSQL: pools, migrations, statements."""
