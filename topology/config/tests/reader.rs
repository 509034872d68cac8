//! What a person's editor does to a file is named with its place, and hides no other mistake.

use narrows_config::testing;
use narrows_config::{Fields, Key, Mistakes, Subject, parse, values};
use proptest::prelude::*;

const KEYS: &[Key] = &[
    Key::required("name", (), "What it is called: `name: munich`."),
    Key::optional("size", (), "A number."),
    Key::optional("rate", (), "A rate."),
    Key::optional("inner", (), "More keys."),
];

/// A file of four keys, of which `inner` may have the same again.
fn read(bytes: &[u8]) -> Result<String, Mistakes> {
    const NOTE: Subject = Subject {
        name: "the note",
        begin: Some("begin with `name: munich`"),
    };
    parse("note.yaml", bytes, NOTE, |root, report| {
        let mut name = None;
        let mut next = Some(root);
        while let Some(node) = next {
            let fields = Fields::of(node, KEYS, "a note", report)?;
            name = fields
                .take("name")
                .and_then(|node| values::text(node, "`name`", "name: munich", report))
                .map(str::to_owned);
            fields.take("size").map(|node| values::count(node, "size", 9, report));
            fields.take("rate").map(|node| values::rate(node, "rate", report));
            next = fields.take("inner");
        }
        name
    })
}

/// All mistakes: `line:column what is underlined | problem | help`.
fn told(bytes: &[u8]) -> Vec<String> {
    let Err(mistakes) = read(bytes) else {
        return Vec::new();
    };
    testing::shown(&mistakes)
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

const UTF16: &str = "this file is UTF-16, not UTF-8 | save it as UTF-8: `UTF-8` as the encoding in Notepad, `-Encoding utf8` in PowerShell";
const SIZE: &str = "2:7 x | `x` cannot be `size` | write a whole number from 1 to 9";

#[test]
fn other_encodings_are_named_and_hide_no_mistake() {
    let text = "name: a\nsize: x\n";
    let expected = [format!("1:1 name: a | {UTF16}"), SIZE.to_owned()];
    assert_eq!(told(&utf16(text, u16::to_le_bytes)), expected);
    assert_eq!(told(&utf16(text, u16::to_be_bytes)), expected);
    let marked = format!("\u{feff}{text}");
    assert_eq!(told(&utf16(&marked, u16::to_le_bytes)), expected);
    assert_eq!(told(&utf16(&marked, u16::to_be_bytes)), expected);
    let utf32: Vec<u8> = marked.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    assert_eq!(
        told(&utf32)[0],
        format!("1:1 name: a | {}", UTF16.replacen("UTF-16", "UTF-32", 1))
    );
    assert_eq!(
        told(b"name: M\xfcnchen \xe4\nsize: x\n"),
        [
            "1:8 ü | the byte 0xFC is not UTF-8 | save the file as UTF-8; as it stands it looks like Latin-1, where this is `ü`; 1 more such bytes follow",
            SIZE
        ]
    );
    assert_eq!(
        told(b"name: \x93a\x94\n")[0].split(" | ").nth(1),
        Some("the byte 0x93 is not UTF-8")
    );
    assert!(told(b"name: a\n\xfcber: b\n")[0].starts_with("2:1 ü |"));
    assert_eq!(
        told("name: Mü".as_bytes().split_last().unwrap().1),
        ["1:8 Ã | the file ends in the middle of a character | it was not written whole: write it again"]
    );
}

#[test]
fn the_mark_of_utf_8_at_the_beginning_means_nothing() {
    assert_eq!(read("\u{feff}name: a\n".as_bytes()).unwrap(), "a");
    assert_eq!(told("\u{feff}name: a\nsize: x\n".as_bytes()), [SIZE]);
    assert_eq!(
        told("name: a\n\u{feff}size: x\n".as_bytes())[0],
        "2:1 ? | a byte order mark (U+FEFF) is here | remove it: it stands between two files that were joined"
    );
}

#[test]
fn what_cannot_be_seen_is_shown() {
    for (text, expected) in [
        (
            "name: a\nsize:\u{a0}x\n",
            "2:6 \u{a0} | a no-break space (U+00A0) is here, which is no space to YAML | write an ordinary space; if it is meant, put the text in quotes",
        ),
        (
            "name: a\n\u{a0}size: x\n",
            "2:1 \u{a0} | a no-break space (U+00A0) is here, which is no space to YAML | write an ordinary space; if it is meant, put the text in quotes",
        ),
        (
            "name: a\nsize: x\u{200b}\n",
            "2:8 ? | an invisible character (U+200B) is here, which is no space to YAML | write an ordinary space; if it is meant, put the text in quotes",
        ),
        (
            "name: a\0\0\nsize: x\n",
            "1:8 ?? | a NUL character (U+0000) is here | remove it; a file that ends so was not written whole: write it again",
        ),
        (
            "name: a\ninner:\n\tname: b\n\tsize: x\n",
            "3:1 \t | a tab indents this line, which YAML does not allow | indent it with spaces",
        ),
        (
            "name: a\ninner:\n  name: b\n\tsize: x\n",
            "4:1 \t | a tab indents this line, which YAML does not allow | indent it with spaces",
        ),
    ] {
        let found = told(text.as_bytes());
        assert!(found.contains(&expected.to_owned()), "{text:?}: {found:#?}");
    }
    let mixed = told(b"nam: a\ninner:\n  name: b\n\tsize: x\n\t\trate: 5\nsize: x\n");
    let places: Vec<&str> = mixed.iter().filter_map(|told| told.split(' ').next()).collect();
    assert_eq!(places, ["1:1", "4:1", "4:8", "5:1", "5:9", "6:7"], "{mixed:#?}");
    let tabs = told(b"name: a\ninner:\n\tname: b\n\tsize: x\n\trate: 5\n");
    assert_eq!(tabs.len(), 5, "two lines and two values more: {tabs:#?}");
    let spaces = told("name: a\nsize:\u{a0}x\nnam\u{a0}: b\nrate: 5\n".as_bytes());
    assert_eq!(spaces.len(), 5, "two spaces, two values and a key: {spaces:#?}");
}

#[test]
fn what_is_noticed_beside_tabs_is_told_once_and_where_it_stands() {
    const TAG: &str = "tags (`!…`) have no meaning here | leave the tag out";
    const TAB: &str = "\t | a tab indents this line, which YAML does not allow | indent it with spaces";
    // with one space for each tab neither is YAML; the second stops at a line after its tag
    for (text, expected) in [
        (
            "name: a\ninner:\n  name: b\n\tsize: !int 5\n",
            [format!("4:1 {TAB}"), format!("4:13 5 | {TAG}")],
        ),
        (
            "name: a\ninner:\n\tname: !s b\n  size: 1\n",
            [format!("3:1 {TAB}"), format!("3:11 b | {TAG}")],
        ),
    ] {
        assert_eq!(told(text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn what_is_meant_is_let_through() {
    for text in [
        "name: \"a\u{a0}b\" # c\u{a0}d\n",
        "name:\ta\t# tab\n",
        "name: a\n\t# a comment after a tab\n",
        "name: |\n  a\n  \tb\n",
        "name: a\r\nsize: 1\r\n",
    ] {
        let found = told(text.as_bytes());
        assert!(found.is_empty(), "{text:?}: {found:#?}");
    }
}

#[test]
fn a_key_that_stands_twice_names_both_places() {
    assert_eq!(
        told(b"name: a\nsize: 1\nname: b\nsiez: 2\n"),
        [
            "3:1 name | `name` is here twice | keep one; the first is in line 1",
            "4:1 siez | a note has no key `siez` | did you mean `size`?",
        ]
    );
}

#[test]
fn the_caret_covers_the_whole_value() {
    assert_eq!(
        told(b"name: [a, b]\nsize: {a: b}\nrate: \"12 mbps\"\n"),
        [
            "1:7 [a, b] | `name` cannot be a list | write it as in `name: munich`",
            "2:7 {a: b} | `size` cannot be a mapping | write it as in `size: 1`",
            "3:7 \"12 mbps\" | `mbps` is no unit of a rate | did you mean `12 Mbit/s`?",
        ]
    );
}

#[test]
fn the_wrong_file_costs_neither_time_nor_a_flood_of_messages() {
    let many: String = (0..50_000).map(|i| format!("key{i}: 1\n")).collect();
    let Err(mistakes) = read(many.as_bytes()) else {
        panic!("was read")
    };
    assert_eq!(mistakes.list.len(), 1_000);
    assert_eq!(
        told(&vec![b' '; (16 << 20) + 1])[0].split(" | ").nth(1),
        Some("the file is larger than 16 MiB")
    );
}

/// Whatever is wrong, its place is in the text, and it can be printed.
fn assert_told(bytes: &[u8]) {
    let Err(mistakes) = read(bytes) else { return };
    assert!(!mistakes.list.is_empty() && !mistakes.to_string().is_empty());
    for mistake in &mistakes.list {
        let length = mistake.source.chars().count();
        assert!(
            mistake.line >= 1 && (1..=length + 1).contains(&mistake.column),
            "{mistakes}"
        );
        assert!(
            mistake.width >= 1 && mistake.column - 1 + mistake.width <= length.max(mistake.column),
            "{mistakes}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_file_or_mistakes_inside_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_told(&bytes);
    }

    #[test]
    fn a_file_with_a_few_bytes_changed_is_a_file_or_mistakes_inside_it(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        wide in 0..4,
        odd in "(name: |size: |\u{a0}|\u{feff}|\u{200b}|\t|\0|\n|\r|é|a|\\[|\"|#| |- ){0,20}",
    ) {
        let text = format!("name: munich\nsize: 5\n{odd}");
        let mut bytes = match wide {
            0 => utf16(&text, u16::to_le_bytes),
            1 => utf16(&text, u16::to_be_bytes),
            _ => text.into_bytes(),
        };
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        assert_told(&bytes);
    }
}
