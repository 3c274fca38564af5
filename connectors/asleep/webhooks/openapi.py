"""The receiver as an OpenAPI document: what it takes in which layout, and what it answers.

``python -m connectors.asleep.webhooks.openapi`` prints it, for ``docs/openapi.json``. The shapes of a session are those
that everything else reads; only the envelopes around them are told here.
"""

import json
import sys
from functools import cache
from inspect import cleandoc
from typing import Any

import msgspec

from schemas.asleep import SessionDetail
from schemas.asleep_webhook import INFERENCE_COMPLETE, LONGEST_TEXT, SESSION_COMPLETE, VERSIONS

Json = dict[str, Any]

_SHAPES = "#/components/schemas/"
_ID = {"type": "string", "pattern": f"^[!-~]{{1,{LONGEST_TEXT}}}$"}
_STAGES = {
    "type": ["array", "null"],
    "items": {"type": ["integer", "null"]},
    "description": "One code for each epoch of 30 s; the last one is that of the last epoch of the batch.",
}
_IDS = {"user_id": _ID, "session_id": _ID}

_WEBHOOK_ANSWERS = {
    "200": ("Received", "The event is on disk, whatever it is good for; or it was there before."),
    "400": ("Error", "x-user-id is missing or is not the user of the body, or the body is not JSON."),
    "401": ("Error", "x-api-key is missing or wrong."),
    "408": ("Error", "The body was not complete in time."),
    "413": ("Error", "The body or the head is too large."),
    "415": ("Error", "The body is compressed."),
    "503": ("Error", "The event could not be stored; sent again it will be taken."),
}


@cache
def document() -> Json:
    """The document, OpenAPI 3.1. It is one for all: not to be changed."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Nightshift: receiver of Asleep's webhooks",
            "version": "1",
            "description": "Only /asleep-webhook is for the outside. Nothing that is answered tells of anybody.",
        },
        "paths": {
            "/asleep-webhook": {"post": _webhook()},
            "/live": {"get": _asked("Does the process answer?", {"200": ("Status", "It does.")})},
            "/ready": {
                "get": _asked(
                    "Can the inbox be written?", {"200": ("Status", "It can."), "503": ("Error", "It cannot.")}
                )
            },
            "/health": {
                "get": _asked(
                    "Are state, disk, inbox and the nightly run well? Looked at every few seconds at most.",
                    {"200": ("Health", "All are."), "503": ("Health", "One at least is not, or could not be seen.")},
                )
            },
            "/metrics": {
                "get": {
                    "summary": "Metrics for Prometheus; how the home is, as of a few seconds ago.",
                    "responses": {
                        "200": {
                            "description": "In its text format.",
                            "content": {"text/plain": {"schema": {"type": "string"}}},
                        }
                    },
                }
            },
            "/openapi.json": {
                "get": _asked("This document.", {"200": ("Document", "It, as docs/openapi.json has it.")})
            },
        },
        "components": {
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "schemas": {**_events(), **_session_shapes(), **_answers()},
        },
    }


def _webhook() -> Json:
    return {
        "summary": "Take an event of Asleep.",
        "description": "Answered once the event is on disk. Authenticated JSON that makes no sense is kept as well.",
        "security": [{"key": []}],
        "parameters": [
            {
                "name": "x-user-id",
                "in": "header",
                "required": True,
                "description": "The user of the body.",
                "schema": _ID,
            }
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": f"{_SHAPES}Event"}}}},
        "responses": _responses(_WEBHOOK_ANSWERS),
    }


def _asked(summary: str, answers: dict[str, tuple[str, str]]) -> Json:
    return {"summary": summary, "responses": _responses(answers)}


def _responses(answers: dict[str, tuple[str, str]]) -> Json:
    return {
        status: {"description": words, "content": {"application/json": {"schema": {"$ref": _SHAPES + shape}}}}
        for status, (shape, words) in answers.items()
    }


def _events() -> Json:
    """An event in its three layouts: facts under ``data``, under ``callback_data``, and beside the event's name."""
    inference = {
        **_IDS,
        "seq_num": {"type": ["integer", "null"], "description": "The last uploaded chunk of 30 s, counted from 0."},
        "inference_seq_num": {"type": "integer", "description": "The batch of five minutes, counted from 0."},
        "breath_stages": _STAGES,
        "snoring_stages": _STAGES,
    }
    result = {"$ref": f"{_SHAPES}SessionDetail"}
    told = ["user_id", "session_id", "inference_seq_num"]
    shapes = {
        "InferenceFacts": _object({**inference, "sleep_stages": _STAGES}, told),
        "InferenceFactsV2": _object({**inference, "stage_list": _STAGES}, told),
        "SessionFacts": {"allOf": [_object({"user_id": _ID}, ["user_id"]), result]},
        "SessionFactsV2": _object({**_IDS, "sleep_data": result}, ["user_id", "sleep_data"]),
    }
    layouts = {}
    for name, kind in ((SESSION_COMPLETE, "Session"), (INFERENCE_COMPLETE, "Inference")):
        event = {"event": {"const": name}, "version": {"enum": sorted(VERSIONS)}}
        facts = {"$ref": f"{_SHAPES}{kind}Facts"}
        layouts[f"{kind}Event"] = _object({**event, "data": facts}, ["event", "data"])
        layouts[f"{kind}EventFlat"] = {"allOf": [_object(event, ["event"]), facts]}
        layouts[f"{kind}EventV2"] = _object(
            {
                "callback_event": {"const": name},
                "callback_version": {"enum": sorted(VERSIONS)},
                "callback_data": {"$ref": f"{_SHAPES}{kind}FactsV2"},
            },
            ["callback_event", "callback_data"],
        )
    return {"Event": {"anyOf": [{"$ref": _SHAPES + name} for name in layouts]}, **layouts, **shapes}


def _session_shapes() -> Json:
    _, shapes = msgspec.json.schema_components([SessionDetail], ref_template=_SHAPES + "{name}")
    shapes["Session"]["properties"]["id"] = _ID
    return {name: {**shape, "description": cleandoc(shape["description"])} for name, shape in shapes.items()}


def _answers() -> Json:
    finding = _object({"fine": {"type": "boolean"}, "words": {"type": "string"}}, ["fine", "words"])
    number, moment = {"type": ["number", "null"]}, {"type": ["string", "null"], "format": "date-time"}
    return {
        "Received": _object({"status": {"const": "received"}}, ["status"]),
        "Status": _object({"status": {"enum": ["live", "ready"]}}, ["status"]),
        "Error": _object({"error": {"type": "string"}}, ["error"]),
        "Document": _object({"openapi": {"type": "string"}}, ["openapi"]),
        "Finding": finding,
        "Health": _object(
            {
                "fine": {"type": "boolean"},
                "words": {"type": "string", "description": "Only where nothing could be looked at: why."},
                "state": {"$ref": f"{_SHAPES}Finding"},
                "disk": _finding({"free_bytes": number}),
                "inbox": _finding({"depth": number, "oldest_age_s": number}),
                "last_run": _finding({"at": moment, "age_s": number}),
            },
            ["fine"],
        ),
    }


def _finding(figures: Json) -> Json:
    return {"allOf": [{"$ref": f"{_SHAPES}Finding"}, {"type": "object", "properties": figures}]}


def _object(properties: Json, required: list[str]) -> Json:
    return {"type": "object", "properties": properties, "required": required}


if __name__ == "__main__":
    json.dump(document(), sys.stdout, indent=2)
    sys.stdout.write("\n")
