"""Routes for operators: what belongs to no single workspace, or to all of them."""
