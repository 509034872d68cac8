//! Torrents that are read, and those that are refused.

use narrows_protocol::metainfo::names::{NameError, NameFault};
use narrows_protocol::metainfo::{MAX_SIZE, Metainfo, MetainfoError};
use sha1::{Digest, Sha1};

fn with_info(info: &str) -> Vec<u8> {
    format!("d8:announce8:http://a4:info{info}e").into_bytes()
}

/// A good info dictionary of one file but for what is replaced.
fn info(replace: &str, by: &str) -> Vec<u8> {
    let good = format!(
        "d6:lengthi16385e4:name1:f12:piece lengthi16384e6:pieces40:{}7:privatei1ee",
        "x".repeat(40)
    );
    assert!(good.contains(replace), "{replace}");
    with_info(&good.replace(replace, by))
}

/// The same with these files.
fn files(list: &str) -> Vec<u8> {
    info("6:lengthi16385e", &format!("5:filesl{list}e"))
}

fn refusal(torrent: &[u8]) -> MetainfoError {
    Metainfo::parse(torrent).expect_err(&String::from_utf8_lossy(torrent))
}

fn wrong_type(key: &str) -> impl Fn(&MetainfoError) -> bool + '_ {
    move |error| matches!(error, MetainfoError::WrongType { key: found, .. } if *found == key)
}

#[test]
fn a_single_file_torrent_is_read() {
    let torrent = info("4:name1:f", "4:name1:f");
    let meta = Metainfo::parse(&torrent).expect("good");
    assert_eq!(
        (meta.name.as_str(), meta.total, meta.piece_length),
        ("f", 16385, 16384)
    );
    assert_eq!(meta.announce, [["http://a"]]);
    assert_eq!(
        (meta.files.len(), meta.files[0].path.len(), meta.files[0].length),
        (1, 0, 16385)
    );
    assert!(meta.private && !meta.multi_file);
    assert_eq!(
        (
            meta.piece_count(),
            meta.piece_size(0),
            meta.piece_size(1),
            meta.piece_size(2)
        ),
        (2, 16384, 1, 0)
    );
    assert_eq!(meta.pieces.hash(1), Some(b"xxxxxxxxxxxxxxxxxxxx"));
    assert_eq!(meta.pieces.hash(2), None);
    let raw = &torrent[b"d8:announce8:http://a4:info".len()..torrent.len() - 1];
    assert_eq!(meta.info_hash.0, <[u8; 20]>::from(Sha1::digest(raw)));
}

#[test]
fn the_info_hash_is_that_of_the_bytes_as_they_stand_unknown_keys_included() {
    let plain = Metainfo::parse(&info("d6:length", "d6:length")).expect("good");
    let more = Metainfo::parse(&info("d6:length", "d5:extrali1eld1:a0:eee6:length")).expect("good");
    assert_ne!(plain.info_hash, more.info_hash);
    assert_eq!(plain.files, more.files);
    let mut trailing = info("d6:length", "d6:length");
    trailing.extend(b"\r\nwhatever follows");
    assert_eq!(Metainfo::parse(&trailing).expect("harmless"), plain);
}

#[test]
fn announce_tiers_come_from_the_list_if_there_is_one() {
    let read = |outer: &str| {
        let torrent = String::from_utf8(info("d6:length", "d6:length")).expect("text");
        Metainfo::parse(torrent.replacen("8:announce8:http://a", outer, 1).as_bytes())
            .map(|meta| meta.announce)
    };
    assert_eq!(read("").expect("good"), Vec::<Vec<String>>::new());
    assert_eq!(read("8:announce0:").expect("good"), Vec::<Vec<String>>::new());
    assert_eq!(
        read("8:announce1:x13:announce-listllel0:ee").expect("good"),
        [["x"]]
    );
    assert_eq!(
        read("8:announce1:x13:announce-listll1:a1:bel1:cee").expect("good"),
        [vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]]
    );
    assert!(wrong_type("announce-list")(
        &read("13:announce-listl1:ae").expect_err("no list of lists")
    ));
    assert!(wrong_type("announce")(
        &read("8:announcei5e").expect_err("no string")
    ));
}

#[test]
fn a_torrent_that_does_not_say_private_is_told_apart() {
    for (private, expected) in [
        ("7:privatei1e", true),
        ("7:privatei0e", false),
        ("7:privatei2e", false),
        ("", false),
    ] {
        assert_eq!(
            Metainfo::parse(&info("7:privatei1e", private)).expect("good").private,
            expected
        );
    }
}

#[test]
fn files_follow_each_other_and_padding_is_marked() {
    let meta = Metainfo::parse(&files(
        "d6:lengthi5e4:pathl1:a1:beed4:attr1:p6:lengthi16379e4:pathl4:.pad5:16379eed6:lengthi0e4:pathl1:ceed4:attr1:x6:lengthi1e4:pathl1:dee",
    ))
    .expect("good");
    let seen: Vec<_> = meta.files.iter().map(|f| (f.path.join("/"), f.offset, f.length, f.padding)).collect();
    assert_eq!(
        seen,
        [
            ("a/b".to_owned(), 0, 5, false),
            (".pad/16379".to_owned(), 5, 16379, true),
            ("c".to_owned(), 16384, 0, false),
            ("d".to_owned(), 16384, 1, false)
        ]
    );
    assert!(meta.multi_file);
    // the same padding twice is usual
    let pad = "d4:attr1:p6:lengthi8192e4:pathl4:.pad4:8192ee";
    Metainfo::parse(&files(&format!("{pad}{pad}d6:lengthi1e4:pathl1:aee"))).expect("good");
}

#[test]
fn executable_files_are_marked_whether_one_or_many() {
    let executable = |torrent: &[u8]| {
        let meta = Metainfo::parse(torrent).expect("good");
        meta.files.iter().map(|file| file.executable).collect::<Vec<_>>()
    };
    assert_eq!(executable(&info("d6:length", "d4:attr1:x6:length")), [true]);
    assert_eq!(executable(&info("d6:length", "d4:attr1:h6:length")), [false]);
    let many = "d4:attr2:hx6:lengthi16384e4:pathl1:aeed6:lengthi1e4:pathl1:bee";
    assert_eq!(executable(&files(many)), [true, false]);
}

#[test]
fn what_is_missing_or_of_the_wrong_type_is_named() {
    for key in ["6:lengthi16385e", "4:name1:f", "12:piece lengthi16384e"] {
        assert!(
            matches!(refusal(&info(key, "")), MetainfoError::Missing(_)),
            "{key}"
        );
    }
    assert_eq!(refusal(b"d8:announce1:xe"), MetainfoError::Missing("info"));
    assert!(wrong_type("info")(&refusal(b"d4:infoi5ee")));
    assert!(wrong_type("name")(&refusal(&info("4:name1:f", "4:namei5e"))));
    assert!(wrong_type("pieces")(&refusal(&info(
        &format!("6:pieces40:{}", "x".repeat(40)),
        "6:piecesle"
    ))));
    assert!(wrong_type("files")(&refusal(&info(
        "6:lengthi16385e",
        "5:files1:a"
    ))));
    assert!(wrong_type("path")(&refusal(&files(
        "d6:lengthi16385e4:pathli5eee"
    ))));
    assert_eq!(
        refusal(&files("d6:lengthi16385ee")),
        MetainfoError::Missing("path")
    );
    assert_eq!(
        refusal(&files("d6:lengthi16385e4:pathlee")),
        MetainfoError::Missing("path")
    );
    assert_eq!(refusal(&files("d4:pathl1:aee")), MetainfoError::Missing("length"));
    assert_eq!(
        refusal(&info("6:length", "5:filesle6:length")),
        MetainfoError::LengthAndFiles
    );
}

#[test]
fn absurd_numbers_are_refused() {
    for length in [
        "-1",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999999",
    ] {
        assert!(
            wrong_type("length")(&refusal(&info("i16385e", &format!("i{length}e")))),
            "{length}"
        );
    }
    for length in ["-0", "007", "", "1.5", "0x10"] {
        assert!(
            matches!(
                refusal(&info("i16385e", &format!("i{length}e"))),
                MetainfoError::Malformed(_)
            ),
            "{length}"
        );
    }
    for length in [
        "0",
        "1",
        "16383",
        "8192",
        "16385",
        "24576",
        "67108865",
        "134217728",
        "4294967296",
        "4294983680",
    ] {
        let error = refusal(&info(
            "12:piece lengthi16384e",
            &format!("12:piece lengthi{length}e"),
        ));
        assert!(
            matches!(error, MetainfoError::PieceLength(_)),
            "{length}: {error}"
        );
    }
    let huge = "d6:lengthi9223372036854775807e4:pathl1:aeed6:lengthi9223372036854775807e4:pathl1:bee";
    assert_eq!(refusal(&files(huge)), MetainfoError::TooLong);
    assert!(matches!(
        refusal(&info("i16385e", "i9223372036854775807e")),
        MetainfoError::PieceCount { .. }
    ));
}

#[test]
fn there_must_be_one_hash_for_each_piece() {
    for length in [1_u64, 16384, 32769, 1 << 40] {
        let error = refusal(&info("i16385e", &format!("i{length}e")));
        let expected = length.div_ceil(16384);
        assert_eq!(error, MetainfoError::PieceCount { bytes: 40, expected });
    }
    let hashes = format!("6:pieces40:{}", "x".repeat(40));
    for bytes in [0, 1, 20, 39, 41, 60] {
        let error = refusal(&info(&hashes, &format!("6:pieces{bytes}:{}", "x".repeat(bytes))));
        assert_eq!(error, MetainfoError::PieceCount { bytes, expected: 2 });
    }
}

#[test]
fn torrents_without_content_are_refused() {
    assert_eq!(refusal(&info("i16385e", "i0e")), MetainfoError::Empty);
    assert_eq!(refusal(&files("")), MetainfoError::Empty);
    assert_eq!(refusal(&files("d6:lengthi0e4:pathl1:aee")), MetainfoError::Empty);
    assert_eq!(
        refusal(&files("d4:attr1:p6:lengthi16385e4:pathl1:aee")),
        MetainfoError::Empty
    );
}

#[test]
fn contents_that_are_links_and_v2_only_torrents_are_refused_in_words() {
    let link = refusal(&info(
        "6:lengthi16385e4:name1:f",
        "4:attr1:l6:lengthi16385e4:name1:f12:symlink pathl1:ae",
    ));
    assert!(
        matches!(&link, MetainfoError::Symlink { name } if name == "f"),
        "{link}"
    );
    let v2 = refusal(
        b"d4:infod9:file treed1:fd0:d6:lengthi5eeee12:meta versioni2e4:name1:f12:piece lengthi16384eee",
    );
    assert_eq!(v2, MetainfoError::V2Only);
    assert!(v2.to_string().contains("v2"));
}

#[test]
fn keys_in_any_order_are_read_and_the_hash_is_of_the_info_dictionary_as_it_stands() {
    use sha1::{Digest, Sha1};
    let pieces = format!("6:pieces20:{}", "x".repeat(20));
    let files = [
        "5:filesld6:lengthi5e4:pathl1:aeed4:attr1:x6:lengthi7e4:pathl1:beee",
        "5:filesld4:pathl1:ae6:lengthi5eed6:lengthi7e4:pathl1:be4:attr1:xee",
    ];
    let rest = ["4:name1:f", "12:piece lengthi16384e", &pieces, "7:privatei1e"];
    let mut forms = Vec::new();
    for files in files {
        let mut keys = vec![files];
        keys.extend(rest);
        for _ in 0..keys.len() {
            keys.rotate_left(1);
            let info = format!("d{}e", keys.concat());
            forms.push((format!("d8:announce8:http://a4:info{info}e"), info.clone()));
            forms.push((format!("d4:info{info}8:announce8:http://ae"), info.clone()));
            forms.push((
                format!("d4:info{info}7:comment7:d4:info8:announce8:http://ae"),
                info,
            ));
        }
    }
    for (torrent, info) in forms {
        let meta = Metainfo::parse(torrent.as_bytes()).unwrap_or_else(|error| panic!("{torrent}: {error}"));
        assert_eq!(
            meta.info_hash.0,
            <[u8; 20]>::from(Sha1::digest(&info)),
            "{torrent}"
        );
        assert_eq!(meta.announce, [["http://a"]]);
        let read: Vec<_> = meta.files.iter().map(|file| (file.path.join("/"), file.length)).collect();
        assert_eq!(read, [("a".to_owned(), 5), ("b".to_owned(), 7)]);
        assert!(meta.private && meta.name == "f");
    }
}

#[test]
fn keys_that_stand_twice_are_refused_since_readers_differ_on_them() {
    for torrent in [
        info("4:name1:f", "4:name1:f4:name1:g"),
        info("4:name1:f", "4:name1:f1:a0:4:name1:f"),
        b"d4:infod6:lengthi5ee4:infod6:lengthi5eee".to_vec(),
        b"d4:infod6:lengthi5ee8:announce1:x4:infod6:lengthi5eee".to_vec(),
    ] {
        let error = refusal(&torrent);
        assert!(matches!(error, MetainfoError::Malformed(_)));
        assert!(error.to_string().contains("stands twice"), "{error}");
    }
}

#[test]
fn nesting_and_size_are_bounded() {
    let deep = "l".repeat(100_000) + &"e".repeat(100_000);
    let error = refusal(&info("d6:length", &format!("d1:a{deep}6:length")));
    assert!(matches!(error, MetainfoError::Malformed(_)), "{error}");
    assert!(matches!(
        refusal("d".repeat(1000).as_bytes()),
        MetainfoError::Malformed(_)
    ));
    assert!(matches!(
        refusal(&vec![b'd'; MAX_SIZE + 1]),
        MetainfoError::TooLarge
    ));
    assert!(matches!(
        refusal(b"d4:info999999999999999999:x"),
        MetainfoError::Malformed(_)
    ));
}

#[test]
fn names_that_are_not_utf8_are_refused() {
    let mut torrent = info("4:name1:f", "4:name2:f?");
    let at = torrent.windows(2).position(|pair| pair == b"f?").expect("there");
    torrent[at + 1] = 0xff;
    assert!(matches!(
        refusal(&torrent),
        MetainfoError::Name(NameError {
            why: NameFault::NotUtf8,
            ..
        })
    ));
}

#[test]
fn hostile_names_are_refused_wherever_they_stand() {
    for bad in [
        "..",
        ".",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "C:x",
        "NUL",
        "x.",
        "\u{1b}[2J",
        "",
    ] {
        let string = format!("{}:{bad}", bad.len());
        for torrent in [
            info("4:name1:f", &format!("4:name{string}")),
            files(&format!("d6:lengthi16385e4:pathl{string}ee")),
            files(&format!("d6:lengthi16385e4:pathl1:a{string}1:bee")),
            files(&format!(
                "d4:attr1:p6:lengthi5e4:pathl{string}eed6:lengthi16380e4:pathl1:aee"
            )),
        ] {
            let error = refusal(&torrent);
            assert!(matches!(error, MetainfoError::Name(_)), "{bad:?}: {error}");
            assert!(
                !error.to_string().contains('\u{1b}'),
                "what a terminal would obey is escaped"
            );
        }
    }
}
