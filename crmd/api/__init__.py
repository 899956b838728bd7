"""The REST API: what a front end, another program or the dashboard may ask of crmd.

`route.py` says what a route is, `app.py` turns routes into an aiohttp application, and each further file holds the
routes of one noun. Whatever is sent or answered is a `msgspec.Struct`; the OpenAPI document is made from those.
"""
