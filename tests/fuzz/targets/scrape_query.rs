//! libFuzzer's entrance to `narrows_fuzz::scrape_query`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| narrows_fuzz::scrape_query(data));
