//! The answer to `plan --json`.

use narrows_topology::plan::{Advice, Limit, Other, Plan, WIRE};
use narrows_topology::{Hop, LinkId, Rate, SiteId, SiteMap, spell};
use serde_json::{Value, json};

use super::Deadline;
use super::text::spell_advice;

/// Rates in bits per second, bytes on the wire, times as RFC 3339.
pub(super) fn machine(map: &SiteMap, plan: &Plan, advice: &[Advice], deadline: Option<&Deadline>) -> Value {
    let bits = |rate: Rate| rate.bytes_per_second().map(|bytes| bytes.saturating_mul(8));
    let name = |site: SiteId| map.name(site).into_owned();
    let limit = |limit: Limit| match limit {
        Limit::Link(hop) => {
            json!({"link": map.link_name(hop.link), "from": spell::ends(map, hop).0, "to": spell::ends(map, hop).1})
        }
        Limit::Lan => json!("lan"),
    };
    let hops = |hops: &std::collections::BTreeMap<Hop, f64>| -> Vec<Value> {
        let all = hops.iter().map(|(hop, bytes)| {
            let (from, to) = spell::ends(map, *hop);
            json!({
                "link": map.link_name(hop.link), "from": from, "to": to, "bytes": bytes.round(),
                "rate": bits(map.rate(*hop, plan.rollout.at)),
                "copies": bytes / (plan.rollout.size as f64 * WIRE),
            })
        });
        all.collect()
    };
    let other = |other: &Other| {
        json!({
            "wan_bytes": other.wan.round(), "seconds": other.seconds, "links": hops(&other.hops),
            "busiest": other.busiest.map(|hop| spell::hop(map, hop)),
        })
    };
    let stripes: Vec<Value> = plan
        .stripes
        .iter()
        .map(|stripe| {
            let parents = stripe.iter().map(|(site, parent)| {
                json!({"site": name(*site), "parent": name(parent.site), "rate": bits(parent.rate)})
            });
            parents.collect()
        })
        .collect();
    let sites: Vec<Value> = plan
        .sites
        .iter()
        .map(|site| {
            json!({
                "site": name(site.site), "clients": site.clients, "supplied": site.supplied,
                "seconds": site.seconds, "complete": site.complete.map(|at| at.to_string()),
                "rate": bits(site.rate(plan.rollout.size)), "limit": limit(site.limit),
            })
        })
        .collect();
    let links = |links: &[(LinkId, Rate, Rate)]| -> Vec<Value> {
        let all = links.iter().map(|(link, now, then)| {
            json!({"link": map.link_name(*link), "rate": bits(*now), "needed": bits(*then)})
        });
        all.collect()
    };
    let late = |deadline: &Deadline| -> Vec<Value> {
        let all = deadline.late.iter().map(|site| {
            let complete = plan.site(*site).and_then(|site| site.complete);
            json!({"site": name(*site), "late_seconds": complete.map(|at| at.duration_since(deadline.by).as_secs_f64())})
        });
        all.collect()
    };
    json!({
        "start": plan.rollout.at.to_string(), "size": plan.rollout.size, "wire": WIRE,
        "seconds": plan.seconds, "complete": plan.complete().map(|at| at.to_string()), "wan_bytes": plan.wan.round(),
        "stripes": stripes, "sites": sites, "links": hops(&plan.hops),
        "torrent": other(&plan.torrent), "unicast": other(&plan.unicast),
        "advice": advice.iter().map(|advice| json!({
            "text": spell_advice(map, plan, advice), "seconds": advice.seconds,
            "site": name(advice.most.0), "site_seconds": [advice.most.1, advice.most.2],
        })).collect::<Vec<_>>(),
        "deadline": deadline.map(|deadline| json!({
            "by": deadline.by.to_string(), "met": deadline.late.is_empty(), "late": late(deadline),
            "needed": deadline.needed.as_ref().map(|needed| links(&needed.links)),
            "without_schedule": deadline.needed.as_ref().map(|needed| {
                needed.at_all_hours.iter().map(|link| map.link_name(*link)).collect::<Vec<_>>()
        }),
        })),
    })
}
