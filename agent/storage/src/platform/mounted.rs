//! Volumes that Windows mounts in a folder: the folder is then a reparse point that names the volume.

/// The GUID of the volume that such a folder leads to, as `\\?\Volume{GUID}\` in whatever form it is given,
/// in small letters. None for what leads elsewhere: a junction or a symbolic link to a folder.
pub(crate) fn volume_guid(leads_to: &str) -> Option<String> {
    let rest = leads_to.trim_start_matches(['\\', '?', '.']).strip_prefix("Volume{")?;
    let (guid, after) = rest.split_once('}')?;
    let is_guid = guid.len() == 36 && guid.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    // a junction may lead to a folder of a volume, which is not mounted there
    let is_root = after.is_empty() || after == "\\";
    (is_guid && is_root).then(|| guid.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mounted_volume_is_told_from_a_junction_in_each_form_that_it_is_written() {
        let guid = "26a21bda-a627-11d7-9931-806e6f6e6963";
        for text in [
            format!(r"\\?\Volume{{{guid}}}\"),
            format!(r"\??\Volume{{{guid}}}\"),
            format!(r"Volume{{{guid}}}\"),
            format!(r"\\?\Volume{{{}}}", guid.to_uppercase()),
        ] {
            assert_eq!(volume_guid(&text).as_deref(), Some(guid), "{text}");
        }
        for text in [
            r"C:\deploy".to_owned(),
            r"\\?\C:\Volume{x}".to_owned(),
            format!(r"\\?\Volume{{{guid}}}\deploy"),
            format!(r"\\?\Volume{{{guid}"),
            r"\\?\Volume{26a2}\".to_owned(),
            String::new(),
        ] {
            assert_eq!(volume_guid(&text), None, "{text}");
        }
    }
}
