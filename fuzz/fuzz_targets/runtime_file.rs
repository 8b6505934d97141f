#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| id_fuzz::RUNTIME_FILE.feed_and_tell(bytes));
