//! libFuzzer's entrance to `narrows_fuzz::sites`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| narrows_fuzz::sites(data));
