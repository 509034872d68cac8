//! The syntax of events: what is written, read again, and what is refused.

use super::*;
use proptest::prelude::*;

fn site() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9]{0,5}"
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        (site(), 0usize..99).prop_map(|(site, n)| Who::Number(site, n)),
        (site(), 0usize..99).prop_map(|(site, n)| Who::Seeder(site, n)),
        site().prop_map(Who::Gateway),
        site().prop_map(Who::Member),
        site().prop_map(Who::Upstream),
        site().prop_map(Who::All),
        Just(Who::Seeders),
    ]
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        any::<bool>().prop_map(|forever| Deed::Kill { forever }),
        any::<bool>().prop_map(|forever| Deed::Stop { forever }),
        Just(Deed::Freeze),
        Just(Deed::Thaw),
        Just(Deed::Vanish),
        Just(Deed::Return),
        Just(Deed::Fill),
        Just(Deed::Spoil),
        Just(Deed::Delete),
        Just(Deed::Move),
        any::<i32>().prop_map(Deed::Clock),
    ]
}

fn what() -> impl Strategy<Value = What> {
    let link = || (site(), site()).prop_map(|(a, b)| format!("{a}-{b}"));
    prop_oneof![
        (deed(), who()).prop_map(|(deed, who)| What::Agents(deed, who)),
        link().prop_map(What::Cut),
        link().prop_map(What::Restore),
        (link(), 1u64..1000)
            .prop_map(|(link, n)| What::Slow(link, Rate::from_bits_per_second(n * 1_000_000))),
        Just(What::RestartTracker(None)),
        Just(What::FreezeTracker),
        Just(What::MistypeMap),
        any::<i32>().prop_map(What::TrackerClock),
        (who(), site()).prop_map(|(who, site)| What::Clone(who, site)),
        "[a-z]{1,8}\\.yaml".prop_map(|file| What::RestartTracker(Some(file.into()))),
        "[a-z]{1,8}\\.yaml".prop_map(|file| What::Map(file.into())),
        (site(), 1usize..200).prop_map(|(site, n)| What::Add(Groups(vec![(site, n)]))),
        "/[a-z]{1,8}".prop_map(|path| What::Http("POST".into(), path)),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let when = prop_oneof![
        (0u8..100).prop_map(|p| When::Progress(f64::from(p))),
        (0u64..9999).prop_map(|s| When::After(Duration::from_secs(s))),
        Just(When::Spread),
    ];
    (what(), when, prop::option::of(1u64..999)).prop_map(|(what, when, lasts)| Event {
        lasts: lasts.filter(|_| what.can_end()).map(Duration::from_secs),
        what,
        when,
    })
}

proptest! {
    #[test]
    fn an_event_is_read_as_it_is_printed(event in event()) {
        prop_assert_eq!(event.to_string().parse::<Event>(), Ok(event));
    }

    #[test]
    fn any_text_is_an_event_or_an_error(text in "\\PC{0,40}") {
        let _ = text.parse::<Event>();
    }

    #[test]
    fn any_words_of_the_syntax_are_an_event_or_an_error(
        words in proptest::collection::vec(prop_oneof![
            Just("kill"), Just("slow"), Just("to"), Just("tracker"), Just("restart"), Just("with"), Just("@"),
            Just("for"), Just("b1:0"), Just("hq-b1"), Just("@30%"), Just("5s"), Just("add"), Just("b1=2"),
        ], 0..7)
    ) {
        let _ = words.join(" ").parse::<Event>();
    }
}

#[test]
fn what_people_write_is_understood() {
    for text in [
        "kill b1:gateway @30%",
        "kill b1:gateway@30%",
        "freeze b1:0 @12s for 20s",
        "slow hq-b1 to 5 Mbit/s @50%",
        "restart tracker @30% for 10s",
        "restart tracker with other.yaml @1.5s",
        "map other.yaml @10s",
        "http POST /brake?all=1 @40%",
        "remove-last-seeder",
    ] {
        let event: Event = text.parse().unwrap();
        assert_eq!(event.to_string().parse::<Event>(), Ok(event), "{text}");
    }
}

#[test]
fn a_mistake_is_named_with_what_there_is() {
    for (text, part) in [
        ("kill b1:gateway", "@30%"),
        ("kill b1 @30%", "SITE:WHO"),
        ("explode b1:0 @30%", "freeze|thaw"),
        ("kill b1:0 @100%", "below 100%"),
        ("kill b1:0 no-restart @1s for 3s", "undone"),
        ("cut hq-b1 @soon", "@12s"),
        ("slow hq-b1 to much @3s", "much"),
    ] {
        let error = text.parse::<Event>().unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
}
