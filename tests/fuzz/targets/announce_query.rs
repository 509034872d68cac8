//! libFuzzer's entrance to `narrows_fuzz::announce_query`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| narrows_fuzz::announce_query(data));
