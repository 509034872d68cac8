//! The table of mounts of Linux, proc_pid_mountinfo(5). Pure.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The mount points: the fifth field of each line.
pub(super) fn points(table: &[u8]) -> Vec<PathBuf> {
    let lines = table.split(|byte| *byte == b'\n');
    let points = lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    points.map(|point| PathBuf::from(OsString::from_vec(unescape(point)))).collect()
}

/// Blanks and backslashes are written as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let code = after
            .first_chunk::<3>()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(byte) if *first == b'\\' => {
                out.push(byte);
                rest = &after[3..];
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_the_fifth_field_with_blanks_unescaped() {
        let table = b"22 27 0:21 / /proc rw,nosuid - proc proc rw\n\
            36 35 98:0 /mnt1 /mnt/two\\040words\\134x rw,noatime master:1 - ext3 /dev/root rw\n\
            broken\n37 35 98:0 / /end\\04";
        let expected = ["/proc", "/mnt/two words\\x", "/end\\04"].map(PathBuf::from);
        assert_eq!(points(table), expected);
    }
}
