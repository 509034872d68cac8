//! libFuzzer's entrance to `narrows_fuzz::resume`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| narrows_fuzz::resume(data));
