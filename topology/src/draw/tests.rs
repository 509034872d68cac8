//! Drawings: no label covers another or a site, and the same map gives the same picture.

use super::*;

fn map(sites: usize, links: &[(usize, usize)]) -> SiteMap {
    let site = |i: usize| format!("  site-{i:03}: {{networks: [10.{}.{}.0/24]}}\n", i / 250, i % 250);
    let link = |(a, b): &(usize, usize)| {
        format!(
            "  - {{between: [site-{a:03}, site-{b:03}], rate: {} Mbit/s}}\n",
            1 + (a + b) * 7 % 100
        )
    };
    let sites: String = (0..sites).map(site).collect();
    let links: String = links.iter().map(link).collect();
    SiteMap::parse("map", &format!("version: 1\nsites:\n{sites}links:\n{links}"))
        .unwrap_or_else(|m| panic!("{m}"))
}

fn scene(map: &SiteMap) -> Scene {
    let sites = map.sites().collect();
    Picture::new(map, Timestamp::UNIX_EPOCH, None, sites, map.links().collect()).scene()
}

fn tree(sites: usize, branches: usize) -> Vec<(usize, usize)> {
    (1..sites).map(|i| ((i - 1) / branches, i)).collect()
}

fn ring(sites: usize) -> Vec<(usize, usize)> {
    (0..sites).map(|i| (i, (i + 1) % sites)).collect()
}

#[test]
fn no_label_covers_another_or_a_site_and_none_is_missing_at_twelve_sites() {
    for links in [
        tree(12, 2),
        tree(12, 3),
        tree(12, 11),
        tree(12, 1),
        ring(12),
        [ring(12), vec![(0, 6), (3, 9)]].concat(),
    ] {
        let map = map(12, &links);
        let scene = scene(&map);
        assert_eq!(scene.labels.len(), 12 + links.len(), "{links:?}");
        let nodes =
            scene.nodes.iter().map(|node| Area::around(node.point, node.radius * 2.0, node.radius * 2.0));
        let areas: Vec<Area> = scene.labels.iter().map(|label| label.area).chain(nodes).collect();
        for (i, a) in areas.iter().enumerate() {
            for b in &areas[..i] {
                assert!(!a.overlaps(*b), "{a:?} and {b:?} on {links:?}");
            }
        }
    }
}

#[test]
fn two_hundred_sites_are_apart_from_each_other_and_all_named() {
    for links in [
        tree(200, 14),
        tree(200, 199),
        tree(200, 3),
        [tree(200, 5), vec![(3, 150), (20, 90)]].concat(),
    ] {
        let map = map(200, &links);
        let scene = scene(&map);
        for (i, a) in scene.nodes.iter().enumerate() {
            for b in &scene.nodes[..i] {
                assert!(
                    a.point.distance(b.point) > a.radius + b.radius,
                    "sites are upon each other"
                );
            }
        }
        let named = scene.svg().matches("class=\"name\"").count();
        assert!(named == 200 || links.len() > 199 && named > 150, "{named}");
        if links.len() == 199 {
            assert!(scene.labels.iter().filter(|label| label.is_turned()).count() > 100);
        }
    }
}

#[test]
fn small_and_odd_maps_are_drawn_too() {
    for (sites, links) in [(1, vec![]), (2, vec![(0, 1)]), (3, ring(3)), (450, ring(450))] {
        let svg = draw(&map(sites, &links), Timestamp::UNIX_EPOCH, None);
        assert_eq!(svg.matches("<circle").count(), sites);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}

#[test]
fn the_same_map_gives_the_same_picture_with_its_text_escaped() {
    let text = "
version: 1
sites: {\"a<b>&\": {networks: [10.1.0.0/16]}, t: {}}
links: [{between: [\"a<b>&\", t], rate: unlimited}]
";
    let map = SiteMap::parse("map", text).unwrap();
    let svg = draw(&map, Timestamp::UNIX_EPOCH, None);
    assert_eq!(svg, draw(&map, Timestamp::UNIX_EPOCH, None));
    assert!(svg.contains("a&lt;b&gt;&amp;") && !svg.contains("a<b>"));
    assert!(svg.contains("10.1.0.0/16") && svg.contains("class=\"transit\"") && svg.contains("unlimited"));
}
