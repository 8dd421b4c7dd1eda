"""Holds answers of the API against its own OpenAPI document. A small validator: the words that ours uses."""

import datetime
import json
import re

# Held against the document by test_accounts.py, those of the queue by test_queue.py, costs by test_cost.py, files of the history
# by test_history.py, causes by test_causes.py, all others by test_api.py.
HISTORY = re.compile(r"/api/v1/(runs/(export|logs\.zip|retest)|launches/[^/]*/junit)$")
QUEUE = re.compile(r"/api/v1/queue(/|$)")
GOING = re.compile(r"/api/v1/(jobs|history|retention)(/|$)|/api/v1/runs/delete$")  # test_history_delete.py
COST = re.compile(r"/api/v1/cost$")
CAUSES = re.compile(r"/api/v1/(examples|launches/\{launch\}/(causes|compare)|projects/\{project\}/(stability|slowest|trend)|runs/\{run\}/examples/\{seq\})$")
SERVERS = re.compile(r"/api/v1/(fleets(/|$)|servers/[a-z])")
ACCOUNTS = re.compile(r"/api/v1/(me|session|sessions|signup|tokens|env|users|links|audit)(/|$)")


class Contract:
    def __init__(self, document):
        self.document = document
        self.used = set()

    def find(self, method, path):
        """The template and the operation that a concrete path is of."""
        for template, item in self.document["paths"].items():
            pattern = re.sub(r"\{[^}]*\}", r"\\d+", template)
            if re.fullmatch(pattern, path) and method.lower() in item:
                return template, item[method.lower()]
        raise AssertionError("%s %s is not in the document" % (method, path))

    def use(self, method, path):
        template, operation = self.find(method, path.split("?")[0])
        self.used.add((method, template))
        return operation

    def check(self, method, path, status, body):
        operation = self.use(method, path)
        responses = operation["responses"]
        response = responses.get(str(status), responses["default"])
        content = response.get("content", {})
        if "application/json" not in content:
            return
        if status < 400:
            assert str(status) in responses, "%s %s answered %d, which is not in the document" % (method, path, status)
        problems = list(self.problems(content["application/json"]["schema"], json.loads(body), "$"))
        assert not problems, "%s %s: %s\n%s" % (method, path, "; ".join(problems), body[:2000])

    def problems(self, schema, value, at):
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            yield from self.problems(self.document["components"]["schemas"][name], value, at)
            return
        if "anyOf" in schema:
            if all(list(self.problems(s, value, at)) for s in schema["anyOf"]):
                yield "%s: %r fits none of its forms" % (at, value)
            return
        types = schema.get("type", [])
        types = [types] if isinstance(types, str) else types
        if types and not any(self.is_a(t, value) for t in types):
            yield "%s: %r is not %s" % (at, value, " or ".join(types))
            return
        if value is None:
            return
        if "enum" in schema and value not in schema["enum"]:
            yield "%s: %r is none of %s" % (at, value, schema["enum"])
        if schema.get("format") == "date-time":
            try:
                datetime.datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ")
            except ValueError:
                yield "%s: %r is not a time" % (at, value)
        if isinstance(value, dict):
            properties = schema.get("properties", {})
            for name in schema.get("required", []):
                if name not in value:
                    yield "%s.%s is missing" % (at, name)
            for name, member in value.items():
                if name in properties:
                    yield from self.problems(properties[name], member, "%s.%s" % (at, name))
                elif schema.get("additionalProperties") is False:
                    yield "%s.%s is not in the document" % (at, name)
        if isinstance(value, list) and "items" in schema:
            for i, item in enumerate(value):
                yield from self.problems(schema["items"], item, "%s[%d]" % (at, i))

    @staticmethod
    def is_a(kind, value):
        if kind == "null":
            return value is None
        if kind == "boolean":
            return isinstance(value, bool)
        if kind == "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        if kind == "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        return isinstance(value, {"string": str, "array": list, "object": dict}[kind])
