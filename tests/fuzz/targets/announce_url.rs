//! libFuzzer's entrance to `narrows_fuzz::announce_url`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| narrows_fuzz::announce_url(data));
