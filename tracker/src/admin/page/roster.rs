//! `GET /agents?site=NAME&content=NAME`: who is at a site, a page at a time. The content may be an info hash.

use narrows_assignment::Listed;
use serde::Serialize;

use crate::net::query::form;
use crate::net::reply::Refusal;
use crate::state::tracker::Tracker;

/// Most agents of a page.
const MAX_PAGE: usize = 500;

const HELP: &str = "write /agents?site=NAME&content=NAME, and perhaps &offset=100&limit=100&filter=TEXT";

#[derive(Serialize)]
pub(crate) struct Page {
    site: String,
    content: String,
    /// Of how many this is a part.
    total: usize,
    offset: usize,
    agents: Vec<Listed>,
}

/// # Errors
/// If the query is wrong, or names what is not there.
pub(crate) fn agents(tracker: &Tracker, query: &str) -> Result<Page, Refusal> {
    let (mut site, mut content, mut filter) = (String::new(), String::new(), String::new());
    let (mut offset, mut limit) = (0, 100);
    for (key, value) in form(query)? {
        let number = || {
            let number = value.parse::<usize>();
            number.map_err(|_| Refusal::bad_request(format!("`{key}={value}` is no number; {HELP}")))
        };
        match key.as_str() {
            "site" => site = value,
            "content" => content = value,
            "filter" => filter = value,
            "offset" => offset = number()?,
            "limit" => limit = number()?.clamp(1, MAX_PAGE),
            _ => return Err(Refusal::bad_request(format!("unknown key `{key}`; {HELP}"))),
        }
    }
    if site.is_empty() || content.is_empty() {
        return Err(Refusal::bad_request(HELP));
    }
    if tracker.store.conditions().view().map().site_named(&site).is_none() {
        return Err(Refusal::not_found(format!(
            "there is no site `{site}` in the map in force"
        )));
    }
    // several versions may have one name
    let named = tracker.contents_named().find(|(name, hash)| *name == content || hash.to_string() == content);
    let (_, hash) = named
        .ok_or_else(|| Refusal::not_found(format!("there is no content `{content}`; /status lists them")))?;
    let (total, agents) = tracker.store.roster(hash, &site, &filter, (offset, limit));
    Ok(Page {
        site,
        content,
        total,
        offset,
        agents,
    })
}
