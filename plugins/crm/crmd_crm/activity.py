"""What users do: the projection behind the view crm.user_activity."""

import crmd

SQL = crmd.load_queries("crmd_crm")

USER_ACTIVITY = crmd.Projection(name="user-activity", events=("*",), fold=SQL.fold_activity, reset=SQL.reset_activity)
