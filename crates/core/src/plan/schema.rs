//! The JSON schema of a plan, for editors, made from the tables.
//!
//! It knows single values; that combinations are possible and cells are few enough, only the loader knows.

use super::app::APP_KEYS;
use super::budget::BUDGET_KEYS;
use super::build::BUILD_KEYS;
use super::key::{BYTE_UNITS, DefaultValue, Key, Kind, TIME_UNITS};
use super::quick::QUICK_KEYS;
use super::stop::STOP_KEYS;
use super::table::{PLAN_KEYS, backend_keys, benchmark_keys};
use crate::cell::{BackendName, BenchmarkName};
use crate::factor::FactorValue;
use serde_json::{Map, Value, json};

/// The JSON schema (draft 2020-12) of a plan.
pub fn json_schema() -> Value {
    let mut properties = properties(PLAN_KEYS);
    for benchmark in BenchmarkName::ALL {
        properties.insert(benchmark.as_str().to_owned(), section(benchmark_keys(*benchmark)));
    }
    let backends: Map<String, Value> =
        BackendName::ALL.iter().map(|name| (name.as_str().to_owned(), section(backend_keys(*name)))).collect();
    properties.insert(
        "backend".to_owned(),
        json!({ "type": "object", "properties": backends, "additionalProperties": false }),
    );
    properties.insert("budget".to_owned(), json!({ "type": "array", "items": budget() }));
    properties.insert("variant".to_owned(), variants());
    properties.insert("app".to_owned(), section(APP_KEYS));
    properties.insert("stop".to_owned(), section(STOP_KEYS));
    properties.insert("quick".to_owned(), section(QUICK_KEYS));
    properties.insert("build".to_owned(), json!({ "type": "array", "items": section(BUILD_KEYS) }));
    let any_benchmark: Vec<Value> =
        BenchmarkName::ALL.iter().map(|name| json!({ "required": [name.as_str()] })).collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Isodyne plan",
        "type": "object",
        "properties": properties,
        "anyOf": any_benchmark,
        "additionalProperties": false,
    })
}

fn section(keys: &[Key]) -> Value {
    let required: Vec<&str> =
        keys.iter().filter(|key| key.default == DefaultValue::Required).map(|key| key.name).collect();
    json!({
        "type": "object",
        "properties": properties(keys),
        "required": required,
        "additionalProperties": false,
    })
}

/// One `[[budget]]`. What a bound may say depends on the metric: only the loader knows.
fn budget() -> Value {
    let properties: Map<String, Value> = BUDGET_KEYS
        .iter()
        .map(|(key, doc)| {
            let mut schema = match *key {
                "grades" => {
                    json!({ "type": "object", "additionalProperties": { "type": "string" }, "minProperties": 1 })
                }
                "when" => json!({ "type": "object" }),
                "p50" | "p90" | "p95" | "p99" | "max" => json!({ "type": ["string", "object"] }),
                _ => json!({ "type": "string", "minLength": 1 }),
            };
            schema["description"] = json!(doc);
            ((*key).to_owned(), schema)
        })
        .collect();
    json!({ "type": "object", "properties": properties, "required": ["metric"], "additionalProperties": false })
}

/// `[[variant]]`: keys by their paths, each with one value. (A tree of sections, which TOML's bare dotted keys make, is
/// read too; what stands in it only the loader knows.)
fn variants() -> Value {
    let sections = BenchmarkName::ALL.iter().map(|name| (name.to_string(), benchmark_keys(*name)));
    let backends = BackendName::ALL.iter().map(|name| (format!("backend.{name}"), backend_keys(*name)));
    let mut values = Map::new();
    for (section, keys) in sections.chain(backends).chain([("app".to_owned(), APP_KEYS)]) {
        for key in keys.iter().filter(|key| key.kind != Kind::Backends) {
            let one = property(&Key { factor: false, default: DefaultValue::Absent(""), ..*key });
            values.insert(format!("{section}.{}", key.name), one);
        }
    }
    for section in BenchmarkName::ALL.iter().map(|name| name.as_str()).chain(["backend", "app"]) {
        values.insert(section.to_owned(), json!({ "type": "object" }));
    }
    let name = json!({ "type": "string", "pattern": "^[A-Za-z0-9._+-]([A-Za-z0-9 ._+-]{0,38}[A-Za-z0-9._+-])?$" });
    let set = json!({ "type": "object", "properties": values, "additionalProperties": false, "minProperties": 1 });
    json!({
        "description": "Other values for some keys, measured beside what the plan states elsewhere.",
        "type": "array",
        "items": {
            "type": "object",
            "properties": { "name": name, "set": set },
            "required": ["name", "set"],
            "additionalProperties": false,
        },
    })
}

fn properties(keys: &[Key]) -> Map<String, Value> {
    keys.iter().map(|key| (key.name.to_owned(), property(key))).collect()
}

fn property(key: &Key) -> Value {
    let one = scalar(key.kind);
    let mut schema = Map::new();
    schema.insert("description".to_owned(), json!(key.doc));
    if let Some(default) = key.default.value() {
        schema.insert("default".to_owned(), plain(&default));
    }
    if key.factor || key.kind == Kind::Backends {
        let list = json!({ "type": "array", "items": one, "minItems": 1, "uniqueItems": true });
        schema.insert("anyOf".to_owned(), json!([one, list]));
    } else if let Value::Object(one) = one {
        schema.extend(one);
    }
    Value::Object(schema)
}

fn scalar(kind: Kind) -> Value {
    match kind {
        Kind::Text | Kind::Path => json!({ "type": "string", "minLength": 1, "maxLength": 4096 }),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Count { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Bytes { .. } => quantity(BYTE_UNITS),
        Kind::Duration { .. } => quantity(TIME_UNITS),
        Kind::Words => json!({ "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 1024 }),
        Kind::Backends => json!({ "enum": BackendName::ALL }),
        Kind::Ready => ready(),
        Kind::Share => json!({ "type": "string", "pattern": "^ *[0-9.]+ *% *$" }),
        Kind::FailureShare => json!({ "type": "string", "pattern": "^[a-z_0-9]+:[0-9.]+ ?%?$" }),
    }
}

/// One of four conditions, or its short form (`tcp 80`).
fn ready() -> Value {
    let port = || json!({ "type": "integer", "minimum": 1, "maximum": 65535 });
    let text = || json!({ "type": "string", "minLength": 1, "maxLength": 1024 });
    let one = |properties: Value, required: &str| {
        json!({
            "type": "object", "properties": properties, "required": [required], "additionalProperties": false,
        })
    };
    let status = json!({ "type": "integer", "minimum": 100, "maximum": 599 });
    let http = json!({ "http": { "type": "string", "pattern": "^/" }, "port": port(), "status": status });
    json!({ "anyOf": [
        one(http, "http"),
        one(json!({ "tcp": port() }), "tcp"),
        one(json!({ "line": text() }), "line"),
        one(json!({ "file": { "type": "string", "pattern": "^/" } }), "file"),
        { "type": "string", "pattern": "^(http|tcp|line|file) " },
    ] })
}

fn quantity(units: &[&str]) -> Value {
    json!({ "type": "string", "pattern": format!("^[0-9][0-9._]* *({})$", units.join("|")) })
}

/// The value as a plan would state it, in JSON.
fn plain(value: &FactorValue) -> Value {
    match value {
        FactorValue::Text(text) => json!(text),
        FactorValue::Words(words) => json!(words),
        FactorValue::Count(count) => json!(count),
        FactorValue::Flag(flag) => json!(flag),
        FactorValue::Bytes(_) | FactorValue::DurationNs(_) => json!(value.as_plan_text().replace('"', "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_in_the_tree_is_up_to_date() {
        let stored: Value = serde_json::from_str(include_str!("../../../../schemas/plan.json")).unwrap();
        assert!(stored == json_schema(), "schemas/plan.json is not up to date: run `cargo xtask schemas`");
    }
}
