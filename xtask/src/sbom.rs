//! `cargo xtask sbom`: what the host and the shipped plugins are built from, as a CycloneDX document, and the texts of its licences.

use std::{env, fs, path::Path, process::ExitCode};

use serde_json::{Value as Json, json};

use crate::{
    licence_texts,
    shipped::{self, Identity, Shipped},
};

const BILL: &str = "tidegate.cdx.json";
const LICENCES: &str = "THIRD-PARTY-LICENCES.txt";
/// Crates that contain a library in C, which scanners know by its own name and version.
const BUNDLED: [(&str, &str); 3] =
    [("libz-sys", "zlib"), ("rdkafka-sys", "librdkafka"), ("zstd-sys", "zstd")];

/// Writes both files to a folder, which is the first argument, for the packages that are the others.
///
/// # Errors
/// If an argument is missing, cargo cannot be run, a crate has no licence or no text of it, or a file cannot be written.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> Result<ExitCode, String> {
    let folder = arguments.next().ok_or("the folder to write to is missing")?;
    let packages: Vec<String> = arguments.collect();
    if packages.is_empty() {
        return Err("the packages that are shipped are missing".to_owned());
    }
    let folder = env::current_dir().map_err(|error| format!("the working directory: {error}"))?.join(folder);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask has no folder above it")?;
    let crates = shipped::crates(root, &packages)?;
    let bill = serde_json::to_string_pretty(&bill(&crates)?).map_err(|error| format!("{BILL}: {error}"))?;
    fs::create_dir_all(&folder).map_err(|error| format!("creating {}: {error}", folder.display()))?;
    for (name, text) in [(BILL, bill + "\n"), (LICENCES, licence_texts::document(root, &crates)?)] {
        let file = folder.join(name);
        fs::write(&file, text).map_err(|error| format!("writing {}: {error}", file.display()))?;
    }
    println!("{}: {} crates in {BILL} and {LICENCES}", folder.display(), crates.len());
    Ok(ExitCode::SUCCESS)
}

/// The CycloneDX document. It has neither a time nor a serial number, so that the same sources give the same document.
fn bill(crates: &[Shipped]) -> Result<Json, String> {
    let host = crates
        .iter()
        .find(|shipped| shipped.name == "tidegate")
        .ok_or("the package tidegate is not shipped")?;
    let mut product = component(host)?;
    product["type"] = "application".into();
    let parts = crates.iter().filter(|shipped| shipped.name != host.name);
    let dependencies = crates.iter().map(|shipped| {
        let needed: Vec<String> = shipped.dependencies.iter().map(reference).collect();
        json!({"ref": reference(&shipped.identity()), "dependsOn": needed})
    });
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": product},
        "components": parts.map(component).collect::<Result<Vec<_>, _>>()?,
        "dependencies": dependencies.collect::<Vec<_>>(),
    }))
}

/// How other parts of the document refer to a crate.
fn reference((name, version): &Identity) -> String {
    format!("{name}@{version}")
}

fn component(shipped: &Shipped) -> Result<Json, String> {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(&shipped.identity()),
        "name": shipped.name,
        "version": shipped.version,
        "licenses": [{"expression": shipped.license}],
    });
    if let Some(checksum) = &shipped.checksum {
        // In package URLs, a plus sign has to be escaped.
        let version = shipped.version.replace('+', "%2B");
        component["purl"] = format!("pkg:cargo/{}@{version}", shipped.name).into();
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    if !shipped.repository.is_empty() {
        component["externalReferences"] = json!([{"type": "vcs", "url": shipped.repository}]);
    }
    if let Some((_, library)) = BUNDLED.iter().find(|(name, _)| *name == shipped.name) {
        let version = bundled_version(shipped)?;
        component["components"] = json!([{
            "type": "library",
            "bom-ref": format!("{}/{library}", reference(&shipped.identity())),
            "name": library,
            "version": version,
            "purl": format!("pkg:generic/{library}@{version}"),
        }]);
    }
    Ok(component)
}

/// The version of the library in C that a crate contains: the build metadata of its own version, such as `2.12.1` or `zstd.1.5.7`, else
/// what zlib's header states.
fn bundled_version(shipped: &Shipped) -> Result<String, String> {
    if let Some((_, metadata)) = shipped.version.split_once('+') {
        return Ok(metadata.trim_start_matches(|letter: char| !letter.is_ascii_digit()).to_owned());
    }
    let header = shipped.folder.join("src/zlib/zlib.h");
    let text =
        fs::read_to_string(&header).map_err(|error| format!("reading {}: {error}", header.display()))?;
    let stated =
        text.lines().find_map(|line| line.strip_prefix("#define ZLIB_VERSION \"")?.strip_suffix('"'));
    stated
        .map(str::to_owned)
        .ok_or_else(|| format!("{} does not state the version of zlib", header.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_names_the_host_its_crates_and_the_libraries_in_c() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let crates = shipped::crates(root, &["tidegate".to_owned()]).unwrap();
        let bill = bill(&crates).unwrap();
        assert_eq!(bill["metadata"]["component"]["name"], "tidegate");
        assert_eq!(bill["metadata"]["component"]["type"], "application");
        let components = bill["components"].as_array().unwrap();
        let named = |name: &str| components.iter().find(|component| component["name"] == name).unwrap();
        let kafka = named("rdkafka-sys");
        let version = kafka["version"].as_str().unwrap();
        assert_eq!(kafka["purl"], format!("pkg:cargo/rdkafka-sys@{}", version.replace('+', "%2B")));
        assert_eq!(kafka["components"][0]["name"], "librdkafka");
        assert!(version.ends_with(&format!("+{}", kafka["components"][0]["version"].as_str().unwrap())));
        let zlib = named("libz-sys")["components"][0]["version"].as_str().unwrap();
        assert!(zlib.starts_with("1."), "{zlib}");
        // Every reference is that of a component, so a scanner can walk from the host to each.
        let known = |reference: &Json| {
            components
                .iter()
                .chain([&bill["metadata"]["component"]])
                .any(|component| component["bom-ref"] == *reference)
        };
        for dependency in bill["dependencies"].as_array().unwrap() {
            assert!(known(&dependency["ref"]), "{dependency}");
            assert!(dependency["dependsOn"].as_array().unwrap().iter().all(known), "{dependency}");
        }
    }

    #[test]
    fn the_folder_and_the_packages_are_required() {
        assert_eq!(run([].into_iter()).unwrap_err(), "the folder to write to is missing");
        assert_eq!(
            run(["out".to_owned()].into_iter()).unwrap_err(),
            "the packages that are shipped are missing"
        );
    }
}
