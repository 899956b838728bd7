"""crmd, the background half of a CRM in one daemon: the front door for plugins."""
