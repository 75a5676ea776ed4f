"""Modules of the page by themselves, in Node: schemas of schemas, waits that are cancelled, chunks that cross."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fixtures.typescript import said_by

PROBLEMS = """
import {{ problemsOf }} from "./schema";
try {{ say(problemsOf({value}, {schema})); }} catch (error) {{ say((error as Error).message); }}
"""


def problems(value: Any, schema: Any) -> Any:
    return said_by(PROBLEMS.format(value=json.dumps(value), schema=json.dumps(schema)))


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (1, False),
        ([1], {"items": False}),
        ({"a": 1}, {"properties": {"a": False}}),
        (1, {"anyOf": [False]}),
        (1, {"allOf": [{}, False]}),
        (1, {"if": {}, "then": False}),
        (1, {"if": {"const": 2}, "else": False}),
        (1, {"$ref": "#/$defs/none", "$defs": {"none": False}}),
        (1, {"allOf": ["integer"]}),
    ],
)
def test_a_schema_that_is_not_understood_is_an_error_wherever_it_stands(value: Any, schema: Any) -> None:
    assert "which is not understood" in problems(value, schema)


@pytest.mark.parametrize("schema", [True, {"items": True}, {"anyOf": [True]}, {"if": True, "then": True}])
def test_the_schema_true_asks_for_nothing(schema: Any) -> None:
    assert problems([1], schema) == []
    assert problems([1], {"allOf": [schema, {"type": "string"}]}) != []


def test_no_further_key_is_said_by_the_schema_false() -> None:
    assert problems({"a": 1}, {"additionalProperties": False}) == ["a is no key that is known"]
    assert problems({"a": 1}, {"additionalProperties": True}) == []


WAITS = """
import { pause } from "./download";
let listening = 0;
const heard = (signal: AbortSignal) => {
  const { addEventListener: add, removeEventListener: remove } = signal;
  signal.addEventListener = function (...given: any) { listening += 1; return add.apply(this, given); };
  signal.removeEventListener = function (...given: any) { listening -= 1; return remove.apply(this, given); };
  return signal;
};
const started = performance.now();
const before = await pause(60_000, AbortSignal.abort("before")).catch((reason) => reason);
const control = new AbortController();
setTimeout(() => control.abort("amid"), 20);
const amid = await pause(60_000, control.signal).catch((reason) => reason);
const calm = heard(new AbortController().signal);
for (let at = 0; at < 20; at++) await pause(1, calm);
say({ before, amid, quick: performance.now() - started < 10_000, listening });
"""


def test_a_wait_hears_a_cancellation_that_came_before_it_and_leaves_nothing_behind() -> None:
    assert said_by(WAITS) == {"before": "before", "amid": "amid", "quick": True, "listening": 0}


CROSSING = """
import { Store } from "./store";
const kept = new Map<string, Response>();
let meanwhile = () => {};
const cache = {
  match: async (url: string) => kept.get(url),
  delete: async (url: string) => kept.delete(url),
  put: async (url: string, answer: Response) => { meanwhile(); kept.set(url, answer); },
};
(globalThis as any).caches = { open: async () => cache };
const store = await Store.open("https://plants.example/m/", "digest");
const names = () => Array.from(kept.keys(), (url) => url.replace(store.folder, ""));
await store.keepChunk("weights.bin", 0, new Uint8Array(9), null);
const alone = names();
meanwhile = () => {
  kept.clear();
  kept.set(store.folder + "weights.bin", new Response("whole"));
};
await store.keepChunk("weights.bin", 1, new Uint8Array(9), null);
const crossed = names();
let written = 0;
meanwhile = () => { written += 1; };
await store.keepChunk("weights.bin", 2, new Uint8Array(9), null);
say({ alone, crossed, written });
"""


def test_a_chunk_that_is_written_while_another_page_keeps_the_whole_file_does_not_stay() -> None:
    assert said_by(CROSSING) == {"alone": ["weights.bin?part=0"], "crossed": ["weights.bin"], "written": 0}


SAME_PART = """
import {{ download }} from "./download";
import {{ Received }} from "./received";
let asked = 0;
globalThis.fetch = async () => {{
  asked += 1;
  if (asked > 50) throw Object.assign(new Error("asked without end"), {{ name: "AbortError" }});
  const headers = {{ "Content-Range": "{range}" }};
  return new Response(new Uint8Array({bytes}), {{ status: 206, headers }});
}};
const received = new Received(1000);
const options = {{ cache: "no-store", patient: true }} as const;
const code = await download("weights.bin", "https://plants.example/m/", received, options).catch((error) => error.code);
say({{ asked, code: code ?? "whole" }});
"""


@pytest.mark.parametrize(
    ("sent", "bytes_", "asked"),
    [("bytes 0-399/1000", 400, 3), ("bytes 0-0/1000", 1, 3), ("bytes 0-0/1000", 0, 1)],
)
def test_a_host_that_gives_the_same_part_to_every_request_is_not_asked_for_ever(
    sent: str, bytes_: int, asked: int
) -> None:
    assert said_by(SAME_PART.format(range=sent, bytes=bytes_)) == {"asked": asked, "code": "http"}


GIVEN_AWAY = """
import { Store } from "./store";
const kept = new Map<string, Response>();
const cache = {
  match: async (url: string) => kept.get(url),
  put: async (url: string, answer: Response) => void kept.set(url, answer),
};
(globalThis as any).caches = { open: async () => cache };
const store = await Store.open("https://plants.example/m/", "digest");
const bytes = new Uint8Array([1, 2, 3]);
const written = store.write("weights.bin", bytes, "application/octet-stream");
structuredClone(bytes, { transfer: [bytes.buffer] });
await written;
say([bytes.length, (await kept.get("https://plants.example/m/weights.bin")?.arrayBuffer())?.byteLength, store.trouble]);
"""


def test_what_is_given_to_the_engine_while_it_is_written_is_kept() -> None:
    assert said_by(GIVEN_AWAY) == [0, 3, None]
