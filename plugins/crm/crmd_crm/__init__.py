"""The CRM's data model: schema crm, the mail parser and the store functions that other plugins share."""
