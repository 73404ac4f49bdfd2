"""The version of what each command prints with `--json`.

A number goes up when a path of the schema (host_tools/docs/schemas.toml) goes away, or has another
type or meaning. New paths come without one.
"""

VERSIONS = {
    "call": 1,
    "campaign": 1,
    "check": 1,
    "deploy": 1,
    "devs": 1,
    "doctor": 1,
    "explore": 1,
    "fault": 1,
    "graph": 1,
    "log": 1,
    "postmortem": 1,
    "ps": 1,
    "top": 1,
    "update": 1,
    "why": 1,
}
