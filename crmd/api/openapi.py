"""The OpenAPI 3.1 document, made from the routes and the types that check requests."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from crmd.api.problem import Body

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crmd.api.route import Route

_PARAMETER = re.compile(r"{([A-Za-z]+)}")
_REF = "#/components/schemas/{name}"
# What every request that is looked at may be answered with, beside what its route names.
_ALWAYS = (400, 401, 403, 404, 408, 413, 415, 422, 429, 503)


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The document as plain data."""
    kinds = {kind for route in routes for kind in (route.query, route.body, route.answer) if kind is not None}
    schemas, components = msgspec.json.schema_components(
        [*sorted(kinds, key=lambda kind: kind.__name__), Body], ref_template=_REF
    )
    names = {
        kind: _name(schema)
        for kind, schema in zip([*sorted(kinds, key=lambda one: one.__name__), Body], schemas, strict=True)
    }
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, components, names)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "crmd",
            "version": version,
            "description": "Jobs, their progress and everything around them. Errors are `application/problem+json`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A key `crmd_…`, or a JSON Web Token."}
            },
        },
    }


def _operation(route: Route, components: dict[str, Any], names: Mapping[Any, str]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": [*_in_path(route.path), *_in_query(route, components, names), *_headers(route)],
        "responses": {
            str(status): response
            for status, response in [
                *_usual(route, names),
                *((code, _problem(code, names)) for code in _statuses(route)),
            ]
        },
    }
    if route.description:
        operation["description"] = route.description
    if route.scope is None:
        operation["security"] = []
    else:
        operation["x-scope"] = route.scope
    if route.is_open is not None:
        operation["security"] = [{}, {"bearer": []}]
    if route.body is not None:
        is_needed = any(field.required for field in msgspec.structs.fields(route.body))
        operation["requestBody"] = {
            "required": is_needed,
            "content": {"application/json": {"schema": {"$ref": _REF.format(name=names[route.body])}}},
        }
    return operation


def _usual(route: Route, names: Mapping[Any, str]) -> Iterable[tuple[int, Any]]:
    schema: dict[str, Any] = {"type": "object" if "json" in route.media_type else "string"}
    if route.answer is not None:
        schema = {"$ref": _REF.format(name=names[route.answer])}
    content = {route.media_type: {"schema": schema}}
    for status in (route.status, *route.also):
        yield status, {"description": HTTPStatus(status).phrase, "content": content}


def _statuses(route: Route) -> list[int]:
    always = set(_ALWAYS) if route.scope is not None else {400, 404, 422, 503}
    if route.body is None:
        always -= {408, 413, 415}
    return sorted((always | set(route.problems)) - {route.status, *route.also})


def _problem(status: int, names: Mapping[Any, str]) -> dict[str, Any]:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {"application/problem+json": {"schema": {"$ref": _REF.format(name=names[Body])}}},
    }


def _in_path(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", **_form(name)}}
        for name in _PARAMETER.findall(path)
    ]


def _form(name: str) -> dict[str, str]:
    return {"format": "uuid"} if name.endswith("Id") and name not in {"scheduleId", "keyId"} else {}


def _in_query(route: Route, components: dict[str, Any], names: Mapping[Any, str]) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = components[names[route.query]]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": {key: value for key, value in kind.items() if key != "description"},
            **({"description": kind["description"]} if "description" in kind else {}),
        }
        for name, kind in schema["properties"].items()
    ]


def _headers(route: Route) -> list[dict[str, Any]]:
    if not route.is_idempotent:
        return []
    return [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "The same key with the same body is answered once, for 24 hours.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
        }
    ]


def _name(schema: dict[str, Any]) -> str:
    name: str = schema["$ref"].rpartition("/")[2]
    return name
