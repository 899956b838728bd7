"""The soak: hours of all kinds of work, and nothing may grow or slow down."""
