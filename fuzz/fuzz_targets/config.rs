#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| id_fuzz::CONFIG.feed_and_tell(bytes));
