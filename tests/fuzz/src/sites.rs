//! The site map, which people edit by hand.

use narrows_topology::SiteMap;

/// A map that is accepted finds its sites and its ways; one that is refused is refused with places that are
/// in the file.
pub fn sites(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match SiteMap::parse("sites.yaml", text) {
        Ok(map) => {
            for site in map.sites() {
                assert_eq!(map.site_named(&map.name(site)), Some(site));
                for network in map.networks(site) {
                    let found = map.networks_of(network.network()).any(|found| found == (network, site));
                    assert!(found, "{network} of {}", map.name(site));
                }
            }
            // each pair of a large map would take too long
            for (from, to) in
                map.sites().take(8).flat_map(|from| map.sites().take(8).map(move |to| (from, to)))
            {
                let (there, back) = (map.path(from, to), map.path(to, from));
                assert_eq!(
                    there.map(|route| route.cost),
                    back.map(|route| route.cost),
                    "{} and {}",
                    map.name(from),
                    map.name(to)
                );
            }
        }
        Err(mistakes) => {
            assert!(!mistakes.list.is_empty());
            // a lone carriage return ends a line in YAML, too
            let lines = text.matches(['\n', '\r']).count() + 1;
            for mistake in &mistakes.list {
                assert!((1..=lines + 1).contains(&mistake.line), "{mistake:?}");
                assert!(mistake.column >= 1 && mistake.width >= 1, "{mistake:?}");
                assert!(!mistake.problem.is_empty());
            }
            assert!(mistakes.list.is_sorted_by_key(|mistake| (mistake.line, mistake.column)));
            // a file's words are repeated in messages, a few times at most
            let shown = mistakes.to_string();
            assert!(
                shown.len() <= mistakes.list.len() * (2000 + 8 * text.len()),
                "{} bytes",
                shown.len()
            );
        }
    }
}
