//! Passes the version of the compiler to the SDK.

fn main() {
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = std::process::Command::new(compiler).arg("--version").output();
    let version = version.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    println!("cargo::rustc-env=TIDEGATE_RUSTC={}", version.trim());
    println!("cargo::rerun-if-changed=build.rs");
}
