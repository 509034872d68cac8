//! What is found, and what is not: small crates with a fault each.

use std::fs;
use std::path::Path;

use narrows_wings::faults;

const STOREYS: &[&[&str]] = &[&["ground"], &["left", "right"], &["roof"]];

/// A crate that is as it should be, with these files instead of or beside its own.
fn found(changed: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let own = [
        (
            "lib.rs",
            "mod ground;\nmod left;\nuse ground::Thing;\npub use left::Left;\npub type Time = u64;\n",
        ),
        ("ground.rs", "use std::fmt;\n\nuse crate::Time;\n"),
        (
            "left/mod.rs",
            "//! Says crate::roof in a comment.\nmod inner;\npub(crate) use inner::Inner;\n",
        ),
        ("left/inner.rs", "use crate::ground::{self, Thing};\n"),
        (
            "right.rs",
            "use crate::ground;\n\n#[cfg(test)]\nmod tests {\n    use crate::roof::Roof;\n}\n",
        ),
        ("roof.rs", "use crate::{left::Inner, right};\n"),
    ];
    for (file, text) in own.iter().chain(changed) {
        let path = folder.path().join("src").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    faults(&folder.path().join("src"), STOREYS)
}

#[test]
fn a_crate_whose_arrows_point_down_has_no_faults() {
    assert_eq!(found(&[]), Vec::<String>::new());
}

#[test]
fn unit_tests_do_not_count_however_their_lines_end_and_whatever_else_they_ask_for() {
    let plain = "use crate::ground;\n\n#[cfg(test)]\nmod tests {\n    use crate::roof::Roof;\n}\n";
    for text in [
        plain.replace('\n', "\r\n"),
        plain.replace("(test)", "(all(test, unix))"),
    ] {
        assert_eq!(found(&[("right.rs", &text)]), Vec::<String>::new(), "{text:?}");
    }
    for counts in ["", "#[cfg(unix)]", "#[cfg(feature_of_tests)]"] {
        let text = plain.replace("#[cfg(test)]", counts);
        assert_eq!(
            found(&[("right.rs", &text)])[0],
            "src/right.rs:5: `right` uses `roof`, which does not stand below it"
        );
    }
}

#[test]
fn a_use_of_what_stands_above_is_named_with_file_and_line() {
    let fault = ["src/left/inner.rs:4: `left` uses `roof`, which does not stand below it"];
    for text in [
        "use crate::ground;\n\nfn f() {\n    crate::roof::g();\n}\n",
        "use crate::ground;\n\n\nuse crate::{\n    ground::Thing,\n    roof::Roof,\n};\n",
        "use crate::ground;\n\n\nuse super::super::roof::Roof;\n",
    ] {
        let faults = found(&[("left/inner.rs", text)]);
        assert_eq!(faults[0], fault[0], "{text}");
        assert!(
            faults[1..].iter().all(|fault| fault.starts_with("a circle")),
            "{faults:?}"
        );
    }
}

#[test]
fn wings_of_one_storey_do_not_know_each_other() {
    let faults = found(&[("right.rs", "pub(crate) use crate::left::Inner as Renamed;\n")]);
    assert_eq!(
        faults,
        ["src/right.rs:1: `right` uses `left`, which does not stand below it"]
    );
}

#[test]
fn files_of_one_wing_that_use_each_other_are_a_circle() {
    let faults = found(&[
        ("left/other.rs", "use super::inner::Inner;\n"),
        ("left/inner.rs", "\nuse super::other::Other;\n"),
    ]);
    assert_eq!(faults, ["a circle: src/left/inner.rs:2 -> src/left/other.rs:1"]);
}

#[test]
fn a_folder_that_uses_its_files_is_not_used_by_them_but_by_name() {
    let mod_rs = "mod inner;\npub(crate) use inner::Inner;\n\nfn f() {\n    inner::g();\n}\nuse inner::g;\npub struct Own;\n";
    assert_eq!(
        found(&[("left/mod.rs", mod_rs), ("left/inner.rs", "use super::Own;\n")]),
        ["a circle: src/left/mod.rs:7 -> src/left/inner.rs:1"]
    );
}

#[test]
fn a_wing_without_a_storey_and_a_storey_without_its_wing_are_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lib.rs"), "mod new;\n").unwrap();
    fs::write(folder.path().join("new.rs"), "").unwrap();
    let faults = faults(folder.path(), &[&["old"]]);
    assert!(faults[0].contains("`new` has no storey") && faults[1].contains("no wing `old`"));
    assert_eq!(faults.len(), 2);
    assert!(!narrows_wings::faults(Path::new("no folder"), &[]).is_empty());
}
