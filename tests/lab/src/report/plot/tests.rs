//! Pictures of runs.

use proptest::prelude::*;

use super::strips::{throughput, worth};
use super::*;
use crate::timeline::Sample;

/// A run of two branches: `count` clients each, the first branch's first client killed half-way.
pub(super) fn run(count: usize, seconds: usize) -> (Timeline, About) {
    let sites: Vec<String> = std::iter::once("hq")
        .chain(std::iter::repeat_n("b1", count))
        .chain(std::iter::repeat_n("b2", count))
        .map(str::to_owned)
        .collect();
    let size = seconds as f64 * 0.9 * 2.5e6;
    let sample = |tenth: usize| {
        let at = tenth as f64 / 5.0;
        let share = |lag: f64| ((at - lag).max(0.0) / (seconds as f64 * 0.9)).min(1.0);
        let progress = (0..sites.len()).map(|i| match i {
            0 => 1.0,
            i if i <= count => share(0.1 * i as f64),
            i => share(0.2 * (i - count) as f64),
        });
        Sample {
            at,
            progress: progress.collect(),
            link_bytes: vec![
                (share(0.0) * size * 1.05) as u64,
                (share(0.0) * size * 0.01) as u64,
                (share(1.0) * size * 1.05) as u64,
            ],
        }
    };
    let timeline = Timeline {
        agents: (0..sites.len()).map(|i| format!("{}-{i}", sites[i])).collect(),
        links: ["hq → b1", "b1 → hq", "hq → b2"].map(str::to_owned).to_vec(),
        samples: (0..=seconds * 5).map(sample).collect(),
        events: vec![
            (
                seconds as f64 * 0.5,
                "killed b1-0, the gateway (b1:gateway@50%)".to_owned(),
            ),
            (seconds as f64 * 0.5 + 0.2, "b1-1 is the gateway of b1".to_owned()),
        ],
        bound: Some(seconds as f64 * 0.9),
    };
    let about = About {
        title: "A run".to_owned(),
        seeders: (0..sites.len()).map(|i| i == 0).collect(),
        sites,
        rates: vec![Some(2.5e6); 3],
        size: size as u64,
    };
    (timeline, about)
}

/// The attribute's values wherever it stands.
fn attributes<'a>(svg: &'a str, name: &str) -> Vec<&'a str> {
    svg.split(&format!(" {name}=\"")).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Every point of every path.
fn points(svg: &str) -> Vec<(f64, f64)> {
    let of = |data: &str| -> Vec<(f64, f64)> {
        data.split(['M', 'L'])
            .filter_map(|pair| pair.split_once(' '))
            .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
            .collect()
    };
    attributes(svg, "d").into_iter().flat_map(of).collect()
}

fn height(svg: &str) -> f64 {
    attributes(svg, "height")[0].parse().unwrap()
}

/// Start and end tags match, as any XML reader wants.
fn well_formed(svg: &str) -> bool {
    let mut open: Vec<&str> = Vec::new();
    for tag in svg.split('<').skip(1) {
        let Some((tag, text)) = tag.split_once('>') else {
            return false;
        };
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap_or("");
        match (tag.starts_with('/'), tag.ends_with('/')) {
            (true, _) if open.pop() != Some(name) => return false,
            (false, false) => open.push(name),
            _ => {}
        }
        let bare = text
            .split('&')
            .skip(1)
            .any(|rest| !["amp;", "lt;", "gt;", "quot;", "#39;"].iter().any(|known| rest.starts_with(known)));
        if bare {
            return false;
        }
    }
    open.is_empty()
}

#[test]
fn every_client_has_a_line_and_every_busy_link_a_strip_but_seeders_have_none() {
    let (timeline, about) = run(18, 40);
    let svg = svg(&timeline, &about);
    assert!(well_formed(&svg));
    assert_eq!(svg.matches("class=\"thin ").count(), 36);
    assert_eq!(svg.matches("class=\"limit\"").count(), 2);
    assert!(svg.contains("Not drawn, as little: b1 → hq"));
    assert!(svg.contains("<title id=\"title\">A run</title>"));
    assert!(svg.contains("36 of 36 clients complete"));
    assert!(svg.contains("bound 36.0 s") && svg.contains("class=\"bound\""));
    assert!(svg.contains("prefers-color-scheme: dark") && svg.contains("killed b1-0, the gateway"));
}

#[test]
fn a_client_that_is_killed_after_it_was_complete_is_complete_when_it_is_again() {
    let (mut timeline, about) = run(1, 10);
    let middle = timeline.samples.len() - 3;
    timeline.samples[middle].progress[1] = 0.5;
    let found = &clients(&timeline, &about)[0];
    assert_eq!(found.complete, Some(timeline.samples[middle + 1].at));
    timeline.samples.last_mut().unwrap().progress[1] = 0.9;
    assert_eq!(clients(&timeline, &about)[0].complete, None);
}

#[test]
fn a_run_of_nothing_is_a_picture_too() {
    let svg = svg(&Timeline::default(), &About::default());
    assert!(well_formed(&svg) && svg.contains("counted with --netns"), "{svg}");
}

#[test]
fn throughput_adds_up_to_the_bytes_and_a_rest_is_zero() {
    let (timeline, _) = run(1, 20);
    let windows = throughput(&timeline, 0, 1.0);
    let sum: f64 = windows.iter().map(|(_, rate)| rate).sum();
    let all = timeline.bytes_at(0, f64::INFINITY) as f64;
    assert!((sum - all).abs() < all * 0.001, "{sum} {all}");
    assert_eq!(windows.last().unwrap().1, 0.0);
    assert!(windows.iter().all(|(_, rate)| *rate <= 2.5e6 * 1.051));
}

#[test]
fn badges_of_events_close_to_each_other_do_not_cover_each_other() {
    let (mut timeline, _) = run(1, 100);
    timeline.events = (0..6).map(|i| (50.0 + f64::from(i) * 0.1, "x".to_owned())).collect();
    let time = Scale::new((0.0, 102.0), (LEFT, RIGHT));
    let badges = badges(&timeline, time);
    for (i, a) in badges.iter().enumerate() {
        for b in &badges[i + 1..] {
            assert!(a.row != b.row || (a.x - b.x).abs() >= BADGE);
        }
    }
}

#[test]
fn a_rest_before_a_step_keeps_its_corner() {
    assert_eq!(
        path([(0.0, 0.0), (0.3, 0.0), (0.6, 0.0), (5.0, 9.0)]),
        "M0.0 0.0L0.6 0.0L5.0 9.0"
    );
    assert_eq!(path([]), "");
}

#[test]
fn rates_and_times_are_written_as_people_do() {
    use super::axis::rate;
    assert_eq!(
        [2.5e6, 5e5, 1.25e8, 1.3125e6, 4000.0].map(rate),
        ["20 Mbit/s", "4 Mbit/s", "1 Gbit/s", "10.5 Mbit/s", "32 kbit/s"]
    );
    assert_eq!(clock(40.0, 100.0), "40 s");
    assert_eq!(clock(150.0, 200.0), "2:30");
    assert_eq!(clock(3720.0, 5000.0), "1:02:00");
}

fn any_timeline() -> impl Strategy<Value = Timeline> {
    let sample = (
        0.0f64..500.0,
        prop::collection::vec(-0.5f64..1.5, 0..5),
        prop::collection::vec(any::<u64>(), 0..4),
    );
    let event = (-10.0f64..600.0, "\\PC{0,20}");
    (
        prop::collection::vec(sample, 0..30),
        prop::collection::vec(event, 0..6),
        prop::option::of(0.0f64..1000.0),
        prop::collection::vec("[\\PC\u{0}-\u{1f}]{0,12}", 0..5),
    )
        .prop_map(|(mut samples, mut events, bound, agents)| {
            samples.sort_by(|a, b| a.0.total_cmp(&b.0));
            events.sort_by(|a, b| a.0.total_cmp(&b.0));
            let sample = |(at, progress, link_bytes)| Sample {
                at,
                progress,
                link_bytes,
            };
            Timeline {
                links: agents.clone(),
                agents,
                samples: samples.into_iter().map(sample).collect(),
                events,
                bound,
            }
        })
}

proptest! {
    #[test]
    fn every_point_is_inside_of_its_page_and_every_name_is_escaped(timeline in any_timeline(), title in "\\PC{0,20}") {
        let about = About { title, size: 1000, rates: vec![Some(1e6), None], ..About::default() };
        let svg = svg(&timeline, &about);
        prop_assert!(well_formed(&svg), "{}", svg);
        let bottom = height(&svg);
        for (x, y) in points(&svg) {
            prop_assert!((LEFT - 0.06..=RIGHT + 0.06).contains(&x), "x {x}");
            prop_assert!((0.0..=bottom).contains(&y), "y {y}");
        }
        prop_assert!(!svg.contains("NaN") && !svg.contains("inf\""));
        prop_assert!(!svg.contains(|c: char| c.is_control() && c != '\n'));
    }

    #[test]
    fn ticks_are_round_rising_evenly_spaced_and_not_many(to in 0.001f64..1e7, most in 1usize..12, seconds: bool) {
        let found = ticks(to, most, seconds);
        prop_assert_eq!(found[0], 0.0);
        prop_assert!(found.len() <= most + 1);
        prop_assert!(found.iter().all(|tick| *tick <= to * 1.000001));
        if let [first, second, ..] = found[..] {
            let step = second - first;
            prop_assert!(step > 0.0);
            for pair in found.windows(2) {
                prop_assert!((pair[1] - pair[0] - step).abs() < step * 1e-6);
            }
        }
    }

    #[test]
    fn a_pixel_is_between_its_ends_and_rises_with_its_value(a in -1e6f64..1e6, b in -1e6f64..1e6, to in 0.1f64..1e6) {
        let scale = Scale::new((0.0, to), (10.0, 90.0));
        prop_assert!((10.0..=90.0).contains(&scale.at(a)));
        if a <= b {
            prop_assert!(scale.at(a) <= scale.at(b));
        }
        prop_assert_eq!(scale.at(f64::NAN), 10.0);
    }

    #[test]
    fn the_busiest_direction_always_has_a_strip(bytes in prop::collection::vec(0u64..1_000_000, 0..60)) {
        let shown = worth(&bytes);
        prop_assert!(shown.is_sorted() && shown.len() <= 24);
        if let Some(most) = bytes.iter().max().filter(|most| **most > 0) {
            prop_assert!(shown.iter().any(|link| bytes[*link] == *most));
        }
    }
}
