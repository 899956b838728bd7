"""The CRM's data model: schema crm, the mail parser and the store functions that other plugins share."""

from crmd_crm.activity import USER_ACTIVITY

__all__ = ["USER_ACTIVITY"]
