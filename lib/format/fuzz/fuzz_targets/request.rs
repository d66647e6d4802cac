//! What comes over the control socket is a request or an answer, or it is refused; what is
//! accepted is what its own text says.
#![no_main]

use miqm_server::control::protocol::{Answer, Request};
use serde::{Serialize, de::DeserializeOwned};

fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(read) = serde_json::from_slice::<T>(bytes) {
        let again = serde_json::to_vec(&read).expect("what was read can be written");
        assert_eq!(serde_json::from_slice::<T>(&again).expect("it reads back"), read);
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    check::<Request>(bytes);
    check::<Answer>(bytes);
});
