// Re-exporting keeps every C symbol of the crate in the static library.
pub use wasmtime_c_api::*;
