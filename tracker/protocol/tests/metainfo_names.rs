//! Names that mean one file on Linux and on Windows, and all others.

use narrows_protocol::metainfo::names::{MAX_PATH, Names, check_component, check_tree};
use proptest::prelude::*;

#[test]
fn ordinary_names_are_accepted() {
    for name in [
        "a",
        "a b",
        ".hidden",
        "..a",
        "a..b",
        "...a",
        "ÄÖÜ ß",
        "日本語",
        "🦀",
        "a'b",
        "a&b;c",
        "con1",
        "CONSOLE",
        "COM",
        "COM10",
        "LPTX",
        "nul_",
        "auxiliary.txt",
        "x.con",
        "-rf",
        "~",
        "$HOME",
        "%PATH%",
        "{a}",
        "a=b",
        "#",
        "@",
    ] {
        assert_eq!(check_component(name, Names::Portable), Ok(()), "{name:?}");
    }
    assert_eq!(check_component(&"x".repeat(255), Names::Portable), Ok(()));
}

#[test]
fn hostile_names_are_refused_for_their_reason() {
    let long = "x".repeat(256);
    let umlauts = "ä".repeat(128);
    for (name, reason) in [
        ("", "empty"),
        (".", "leads out"),
        ("..", "leads out"),
        ("a/b", "'/'"),
        ("/etc", "'/'"),
        ("..\\..", "'\\\\'"),
        ("\\\\server\\share", "'\\\\'"),
        ("\\\\?\\C:", "'\\\\'"),
        ("C:", "':'"),
        ("c:autoexec.bat", "':'"),
        ("file.txt:stream", "':'"),
        ("a\0b", "U+0000"),
        ("a\nb", "U+000A"),
        ("a\u{7f}", "U+007F"),
        ("a\u{85}b", "U+0085"),
        ("a\u{2028}b", "U+2028"),
        ("annual-\u{202e}fdp.exe", "U+202E, which shows a name other"),
        ("a\u{2066}b", "U+2066"),
        ("a<b", "'<'"),
        ("a>b", "'>'"),
        ("\"a\"", "'\"'"),
        ("a|b", "'|'"),
        ("what?", "'?'"),
        ("*", "'*'"),
        ("a.", "dot or a space"),
        ("a ", "dot or a space"),
        ("...", "dot or a space"),
        (" ", "dot or a space"),
        ("CON", "device CON"),
        ("con", "device CON"),
        ("Con.txt", "device CON"),
        ("con .txt", "device CON"),
        ("con.tar.gz", "device CON"),
        ("PRN", "device PRN"),
        ("aux.c", "device AUX"),
        ("NUL", "device NUL"),
        ("nul.", "dot or a space"),
        ("COM1", "device COM1"),
        ("com9.log", "device COM9"),
        ("COM¹", "device COM¹"),
        ("lpt1", "device LPT1"),
        ("LPT³.x", "device LPT³"),
        ("CONIN$", "device CONIN$"),
        ("conout$", "device CONOUT$"),
        (&long, "256 bytes"),
        (&umlauts, "256 bytes"),
    ] {
        let fault = check_component(name, Names::Portable).expect_err(name).to_string();
        assert!(fault.contains(reason), "{name:?}: {fault}");
    }
}

fn tree(paths: &[&str]) -> Result<(), String> {
    let paths: Vec<Vec<String>> =
        paths.iter().map(|path| path.split('/').map(str::to_owned).collect()).collect();
    check_tree("name", paths.iter().map(Vec::as_slice), Names::Portable).map_err(|error| error.to_string())
}

#[test]
fn files_that_one_of_the_systems_takes_for_the_same_are_refused() {
    assert_eq!(tree(&["a", "b", "c/a", "c/b", "d/a", "c/d/a"]), Ok(()));
    for (paths, path, reason) in [
        (&["a", "a"][..], "name/a", "occurs twice"),
        (&["d/a", "b", "d/a"], "name/d/a", "occurs twice"),
        (&["File", "file"], "name/file", "only in case"),
        (&["Ä", "ä"], "name/ä", "only in case"),
        (&["D/a", "d/b"], "name/d/b", "only in case"),
        (&["ΣΑΣ", "σας"], "name/σας", "only in case"),
        (&["a", "a/b"], "name/a/b", "file and of a folder"),
        (&["a/b", "a"], "name/a", "file and of a folder"),
        (&["a/b/c", "a/b"], "name/a/b", "file and of a folder"),
        (&["ok", "sub/../x"], "name/sub/../x", "leads out"),
    ] {
        let error = tree(paths).expect_err(path);
        assert!(
            error.contains(&format!("{path:?}")) && error.contains(reason),
            "{error}"
        );
    }
}

#[test]
fn the_staging_folder_and_endless_paths_are_no_names_for_content() {
    for name in [".narrows", ".Narrows"] {
        assert!(check_tree(name, [], Names::Portable).expect_err("ours").to_string().contains("unfinished"));
    }
    // what NTFS calls it where it makes short names
    for name in ["NARROW~1", "narrow~4", "Narrow~12", "NA1B2C~1", "na00ff~9"] {
        let fault = check_tree(name, [], Names::Portable).expect_err(name);
        assert!(fault.to_string().contains("short name"), "{fault}");
        assert_eq!(check_tree(name, [], Names::Linux), Ok(()));
    }
    for name in [
        "narrows",
        "NARROW~",
        "NARROW~1x",
        "NARROWS~1",
        "NAXXXX~1",
        "office~1",
    ] {
        assert_eq!(check_tree(name, [], Names::Portable), Ok(()), "{name}");
    }
    let deep = vec!["x".repeat(100); 12];
    assert!(
        check_tree("name", [deep.as_slice()], Names::Portable)
            .expect_err("too long")
            .to_string()
            .contains(&MAX_PATH.to_string())
    );
}

#[test]
fn names_for_linux_alone_may_be_what_windows_cannot_hold_and_nothing_worse() {
    let name = |name| check_component(name, Names::Linux);
    for good in [
        "File::Spec.3pm",
        "aux.c",
        "what?.txt",
        "a\\b",
        "trailing.",
        "x ",
        "<>|*\"",
        "C:",
    ] {
        assert_eq!(name(good), Ok(()), "{good}");
        let fault = check_component(good, Names::Portable).expect_err(good);
        assert!(fault.is_of_windows(), "{good}: {fault}");
    }
    let long = "x".repeat(256);
    for bad in ["", ".", "..", "a/b", "/etc", "a\0b", "a\nb", "\u{1b}[2J", &long] {
        let fault = name(bad).expect_err(bad);
        assert_eq!(check_component(bad, Names::Portable), Err(fault.clone()));
        assert!(!fault.is_of_windows(), "{bad}: {fault}");
    }
    let tree = |paths: &[&str]| {
        let split = |path: &&str| path.split('/').map(str::to_owned).collect();
        let paths: Vec<Vec<String>> = paths.iter().map(split).collect();
        check_tree("name", paths.iter().map(Vec::as_slice), Names::Linux)
    };
    assert_eq!(tree(&["File", "file", "D/a", "d/a"]), Ok(()));
    for bad in [&["a", "a"][..], &["a", "a/b"], &["a/../../x"]] {
        assert!(!tree(bad).expect_err("refused").why.is_of_windows());
    }
    let staging = check_tree(".narrows", [], Names::Linux).expect_err("ours");
    assert!(!staging.why.is_of_windows());
}

proptest! {
    #[test]
    fn a_name_for_linux_stays_one_component_too(name in any::<String>()) {
        if check_component(&name, Names::Linux).is_ok() {
            let path = std::path::Path::new("base").join(&name);
            prop_assert!(!cfg!(unix) || path.parent() == Some(std::path::Path::new("base")));
            prop_assert!(name.len() <= 255 && !name.contains(['/', '\0']) && name != "..");
        }
    }

    #[test]
    fn an_accepted_name_stays_one_component_below_its_folder(name in any::<String>()) {
        if check_component(&name, Names::Portable).is_ok() {
            let path = std::path::Path::new("base").join(&name);
            prop_assert_eq!(path.components().count(), 2);
            prop_assert_eq!(path.parent(), Some(std::path::Path::new("base")));
            prop_assert!(name.len() <= 255 && !name.contains(['/', '\\', ':', '\0']));
        }
    }

    #[test]
    fn no_case_makes_a_device_of_a_name(device in "(con|nul|aux|prn|com[1-9]|lpt[1-9])", upper in any::<[bool; 4]>(), rest in "( {0,2}[.][a-z.]{0,5}[a-z])?") {
        let name: String = device.chars().zip(upper).map(|(c, up)| if up { c.to_ascii_uppercase() } else { c }).collect();
        prop_assert!(check_component(&(name + &rest), Names::Portable).is_err());
    }
}
