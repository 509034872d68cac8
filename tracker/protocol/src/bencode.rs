//! Writing bencode (BEP 3) straight into a buffer.

/// Appends `<length>:<bytes>`.
pub(crate) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    prefix(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends the `<length>:` of a byte string whose bytes the caller appends.
pub(crate) fn prefix(out: &mut Vec<u8>, length: usize) {
    decimal(out, length as u64);
    out.push(b':');
}

/// Appends `i<number>e`.
pub(crate) fn integer(out: &mut Vec<u8>, number: u64) {
    out.push(b'i');
    decimal(out, number);
    out.push(b'e');
}

fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20]; // u64::MAX has 20
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}
