//! `GET /explain?agent=ID&content=NAME`: why an agent has the role and the peers that it has.

use narrows_assignment::Explanation;
use narrows_config::did_you_mean;
use narrows_protocol::InfoHash;
use serde::Serialize;

use crate::net::query::form;
use crate::net::reply::Refusal;
use crate::state::tracker::Tracker;

/// Most agents that an unknown id is compared with.
const MAX_NAMES: usize = 20_000;

/// What `/explain` answers.
#[derive(Serialize)]
pub(crate) struct Explained {
    agent: String,
    contents: Vec<OfContent>,
}

#[derive(Serialize)]
struct OfContent {
    content: String,
    info_hash: String,
    #[serde(flatten)]
    explanation: Explanation,
}

/// Explains an agent, in one content or in all that it is in.
///
/// # Errors
/// Says what is missing, or not known and which is like it.
pub(crate) fn explain(tracker: &Tracker, query: &str) -> Result<Explained, Refusal> {
    let (mut agent, mut content) = (None, None);
    for (key, value) in form(query)? {
        match key.as_str() {
            "agent" => agent = Some(value),
            "content" => content = Some(value),
            _ => {
                let sentence = format!("unknown key `{key}`; write /explain?agent=ID&content=NAME");
                return Err(Refusal::bad_request(sentence));
            }
        }
    }
    let agent = agent.filter(|agent| !agent.is_empty()).ok_or_else(|| {
        Refusal::bad_request("name an agent: /explain?agent=ID or /explain?agent=ID&content=NAME")
    })?;
    let known: Vec<(String, InfoHash)> = tracker.contents_named().collect();
    let named = |name: &str, hash: &InfoHash| match &content {
        Some(wanted) => wanted == name || wanted.to_lowercase() == hash.to_string(),
        None => true,
    };
    let wanted: Vec<&(String, InfoHash)> = known.iter().filter(|(name, hash)| named(name, hash)).collect();
    if let (Some(content), true) = (&content, wanted.is_empty()) {
        let names = known.iter().map(|(name, _)| name.as_str()).collect();
        return Err(not_found("content", content, names));
    }
    let mut contents = Vec::new();
    for (name, hash) in &wanted {
        if let Some(explanation) = tracker.store.explain(*hash, &agent) {
            contents.push(OfContent {
                content: name.clone(),
                info_hash: hash.to_string(),
                explanation,
            });
        }
    }
    if contents.is_empty() {
        let names = wanted.iter().flat_map(|(_, hash)| tracker.store.agent_names(*hash, MAX_NAMES));
        let names: Vec<String> = names.take(MAX_NAMES).collect();
        let near = names.iter().map(String::as_str).collect();
        return Err(not_found("agent", &agent, near));
    }
    Ok(Explained { agent, contents })
}

fn not_found(kind: &str, name: &str, known: Vec<&str>) -> Refusal {
    let near = match did_you_mean(name, known) {
        Some(near) => format!("; {near}"),
        None if kind == "agent" => {
            "; it has not announced lately, or has another id (narrows-agent status says it)".to_owned()
        }
        None => "; /status lists them".to_owned(),
    };
    Refusal::not_found(format!("there is no {kind} `{name}`{near}"))
}
