//! What a request to brake names: its query, and its body as a form or as JSON.

use narrows_config::did_you_mean;

use crate::net::query::{bounded, form};
use crate::net::reply::Refusal;

const HELP: &str = "name what to stop: link=NAME, site=NAME, content=NAME or all=1";

/// One thing to stop, or to let go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    All,
    Link(String),
    Site(String),
    Content(String),
}

/// Reads what a request names: its query, and its body as a form or as JSON.
///
/// # Errors
/// A sentence about what is wrong.
pub(crate) fn read(query: &str, body: &[u8], is_json: bool) -> Result<Vec<Target>, Refusal> {
    let mut pairs = form(query)?;
    if is_json && !body.is_empty() {
        pairs.extend(json(body)?);
    } else {
        let body = std::str::from_utf8(body).map_err(|_| Refusal::bad_request("the body is no text"))?;
        pairs.extend(form(body.trim())?);
    }
    let mut targets = Vec::new();
    for (key, value) in pairs {
        targets.push(match key.as_str() {
            "all" if value == "1" || value == "true" => Target::All,
            "all" => {
                return Err(Refusal::bad_request(format!(
                    "`all={value}` says nothing; write all=1"
                )));
            }
            "link" => Target::Link(value),
            "site" => Target::Site(value),
            "content" => Target::Content(value),
            _ => {
                let near = did_you_mean(&key, ["link", "site", "content", "all"]);
                let near = near.map_or(String::new(), |near| format!("; {near}"));
                return Err(Refusal::bad_request(format!(
                    "unknown key `{key}`{near} ({HELP})"
                )));
            }
        });
    }
    if targets.is_empty() {
        return Err(Refusal::bad_request(HELP));
    }
    Ok(targets)
}

/// `{"link": "hq-munich", "site": ["a", "b"], "all": true}`.
fn json(body: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
    let value: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body)
        .map_err(|error| Refusal::bad_request(format!("the body is no JSON object: {error}; {HELP}")))?;
    let mut pairs = Vec::new();
    for (key, value) in value {
        let key = bounded(key)?;
        let values = match value {
            serde_json::Value::Array(values) => values,
            value => vec![value],
        };
        for value in values {
            let text = match value {
                serde_json::Value::String(text) => text,
                serde_json::Value::Bool(false) => continue,
                value @ (serde_json::Value::Bool(true) | serde_json::Value::Number(_)) => value.to_string(),
                value => {
                    return Err(Refusal::bad_request(format!(
                        "`{key}` is `{value}`, which names nothing; {HELP}"
                    )));
                }
            };
            pairs.push((key.clone(), bounded(text)?));
        }
    }
    Ok(pairs)
}
