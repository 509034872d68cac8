//! libFuzzer's entrance to `narrows_fuzz::metainfo`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| narrows_fuzz::metainfo(data));
