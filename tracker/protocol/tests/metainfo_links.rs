//! Symbolic links in torrents (BEP 47): read where they stay inside of the content, and refused in words
//! elsewhere.

use std::collections::BTreeMap;

use narrows_protocol::metainfo::create::{Draft, DraftFile, DraftFiles, encode};
use narrows_protocol::metainfo::links::{LinkFault, target_of, text_of};
use narrows_protocol::metainfo::names::Names;
use narrows_protocol::metainfo::{Metainfo, MetainfoError, Pieces};
use proptest::prelude::*;

/// A tree as a torrent of another tool: `a/run.sh` and `plain` with bytes, and links by their paths and what
/// they say.
fn torrent(links: &[(&str, &[&str])]) -> Vec<u8> {
    let strings = |parts: &[&str]| -> String {
        let parts = parts.iter().map(|part| format!("{}:{part}", part.len()));
        format!("l{}e", parts.collect::<String>())
    };
    let split = |path: &str| strings(&path.split('/').collect::<Vec<_>>());
    let mut files = String::new();
    for (path, said) in links {
        // libtorrent's also are executable; a length means nothing
        let (path, said) = (split(path), strings(said));
        files += &format!("d4:attr2:xl6:lengthi7e4:path{path}12:symlink path{said}e");
    }
    for path in ["a/run.sh", "plain"] {
        files += &format!("d6:lengthi5e4:path{}e", split(path));
    }
    let hash = "x".repeat(20);
    let info = format!("d5:filesl{files}e4:name4:tree12:piece lengthi16384e6:pieces20:{hash}e");
    format!("d4:info{info}e").into_bytes()
}

fn read(links: &[(&str, &[&str])]) -> Result<BTreeMap<String, String>, MetainfoError> {
    let meta = Metainfo::parse(&torrent(links))?;
    assert_eq!(meta.total, 10, "links have no bytes");
    let links = meta.files.iter().filter_map(|file| {
        assert_ne!(file.is_stored(), file.link.is_some());
        assert!(!file.executable);
        Some((file.path.join("/"), file.link.as_ref()?.join("/")))
    });
    Ok(links.collect())
}

fn fault(links: &[(&str, &[&str])]) -> LinkFault {
    match read(links) {
        Err(MetainfoError::Link(error)) => {
            assert!(error.path.starts_with("tree/"), "{error}");
            error.why
        }
        other => panic!("{links:?}: {other:?}"),
    }
}

#[test]
fn links_lead_where_bep_47_says_and_where_libtorrent_means() {
    let found = read(&[
        ("same", &["a", "run.sh"]),     // BEP 47
        ("a/up", &["..", "plain"]),     // the link's own text
        ("a/beside", &["run.sh"]),      // the same
        ("folder", &["a"]),             // to a folder
        ("through", &["folder", "up"]), // over two links
        ("a/deep/er/x", &["folder"]),   // below the name, not beside it
        ("a/deep/here", &["..", "..", "a", "deep"]),
    ]);
    let expected = [
        ("same", "a/run.sh"),
        ("a/up", "plain"),
        ("a/beside", "a/run.sh"),
        ("folder", "a"),
        ("through", "folder/up"),
        ("a/deep/er/x", "folder"),
        ("a/deep/here", "a/deep"),
    ];
    let expected = expected.map(|(from, to)| (from.to_owned(), to.to_owned()));
    assert_eq!(found.expect("good links"), BTreeMap::from(expected));
}

#[test]
fn a_link_that_leaves_the_content_or_leads_nowhere_is_refused() {
    assert_eq!(fault(&[("x", &["..", "passwd"])]), LinkFault::Outside);
    assert_eq!(
        fault(&[("a/x", &["..", "..", "tree", "plain"])]),
        LinkFault::Outside
    );
    assert_eq!(fault(&[("x", &["a", "..", "..", "etc"])]), LinkFault::Back);
    assert_eq!(fault(&[("x", &["", "etc", "passwd"])]), LinkFault::Absolute);
    assert_eq!(fault(&[("x", &["/etc/passwd"])]), LinkFault::Absolute);
    assert_eq!(fault(&[("x", &["."])]), LinkFault::Root);
    assert_eq!(fault(&[("x", &[])]), LinkFault::Root);
    assert_eq!(fault(&[("x", &["gone"])]), LinkFault::Dangling);
    assert_eq!(fault(&[("x", &["plain", "below a file"])]), LinkFault::Dangling);
    assert_eq!(fault(&[("x", &["x"])]), LinkFault::Loop);
    assert_eq!(fault(&[("x", &["y"]), ("y", &["x"])]), LinkFault::Loop);
    assert_eq!(fault(&[("x", &["x", "run.sh"])]), LinkFault::Loop);
    let names: Vec<String> = (0..100).map(|link| format!("link{link}")).collect();
    let said: Vec<[&str; 1]> = names[1..].iter().map(|name| [name.as_str()]).collect();
    let mut chain: Vec<(&str, &[&str])> = Vec::new();
    for (name, said) in names.iter().zip(&said) {
        chain.push((name, said));
    }
    chain.push(("link99", &["plain"]));
    assert_eq!(fault(&chain), LinkFault::Loop);
}

#[test]
fn nothing_is_written_through_a_link_and_none_is_without_a_target() {
    for path in ["a", "plain", "a/run.sh"] {
        let refused = read(&[(path, &["plain"])]).expect_err("two things of one name");
        assert!(matches!(refused, MetainfoError::Name(_)), "{refused}");
    }
    let below = read(&[("plain/x", &["a"])]).expect_err("a link below a file");
    assert!(matches!(below, MetainfoError::Name(_)), "{below}");
    let text = String::from_utf8(torrent(&[("x", &["a"])])).expect("text");
    let text = text.replace("12:symlink pathl1:ae", "");
    assert_eq!(
        Metainfo::parse(text.as_bytes()),
        Err(MetainfoError::Missing("symlink path"))
    );
}

#[test]
fn links_that_are_drafted_are_written_as_bep_47_says() {
    let path = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    let link = DraftFile {
        path: path("a/up"),
        link: Some(path("plain")),
        ..DraftFile::default()
    };
    let draft = |files| Draft {
        announce: Vec::new(),
        created_by: "test".to_owned(),
        created: None,
        name: "tree".to_owned(),
        files: DraftFiles::Multi(files),
        names: Names::Portable,
        piece_length: 16384,
        pieces: Pieces::new(vec![[0; 20]]),
    };
    let torrent = encode(&draft(vec![link.clone(), DraftFile::plain(path("plain"), 5)])).expect("good");
    let written = b"d4:attr1:l6:lengthi0e4:pathl1:a2:upe12:symlink pathl5:plainee";
    assert!(torrent.windows(written.len()).any(|window| window == written));
    let meta = Metainfo::parse(&torrent).expect("readable");
    assert_eq!(meta.files[0].link, link.link);
    let dangling = encode(&draft(vec![link, DraftFile::plain(path("other"), 5)]));
    assert!(matches!(dangling, Err(MetainfoError::Link(_))));
}

proptest! {
    #[test]
    fn a_links_text_leads_where_it_should(
        folder in prop::collection::vec("[abc]", 0..5),
        target in prop::collection::vec("[abc]", 1..5),
    ) {
        let text = text_of(&folder, &target);
        prop_assert_eq!(target_of(&folder, &text), Ok(target), "{}", text);
    }

    #[test]
    fn no_text_leads_out_of_the_content(
        folder in prop::collection::vec("[abc]", 0..5),
        text in "([abc]|\\.|\\.\\.|/){0,12}",
    ) {
        if let Ok(target) = target_of(&folder, &text) {
            prop_assert!(!target.is_empty() && target.iter().all(|part| part != ".." && !part.contains('/')));
        }
    }
}
