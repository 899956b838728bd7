"""What passed between us and each contact: the projection behind the view contacts.contact_stats."""

import crmd

SQL = crmd.load_queries("crmd_contacts")

CONTACT_STATS = crmd.Projection(
    name="contact-stats",
    events=("interaction.recorded", "contact.merged"),
    fold=SQL.fold_stats,
    reset=SQL.reset_stats,
)
