#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| id_fuzz::INTRODUCERS_REPORT.feed_and_tell(bytes));
