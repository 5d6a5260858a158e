//! Lists the files that the program carries with it: the templates of `new` and the fixtures that `demo` uses.
//!
//! A list written by hand would fall behind; a crate for this would be a dependency for thirty lines.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Constant in the generated file, and the folder whose files it holds.
const EMBEDDED: [(&str, &str); 6] = [
    ("NEW_SINGLE_PROMPT", "src/ops/templates/single_prompt"),
    ("NEW_WORKFLOW_GRAPH", "src/ops/templates/workflow_graph"),
    ("NEW_POLYAI", "src/ops/templates/polyai"),
    ("FRONT_DESK", "fixtures/front-desk"),
    ("CLAIMS", "fixtures/claims"),
    ("RESERVATIONS", "fixtures/reservations"),
];

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut text = String::new();
    for (name, folder) in EMBEDDED {
        let top = root.join(folder);
        println!("cargo::rerun-if-changed={}", top.display());
        let mut files = Vec::new();
        list(&top, &mut files);
        files.sort();
        writeln!(text, "/// The files of `{folder}`, by path.\npub static {name}: &[(&str, &[u8])] = &[")
            .expect("memory");
        for file in files {
            let path = file.strip_prefix(&top).expect("it was found there").to_str().expect("file names are UTF-8");
            let path = path.replace('\\', "/");
            writeln!(text, "    ({path:?}, include_bytes!({:?})),", file.display().to_string()).expect("memory");
        }
        text.push_str("];\n");
    }
    std::fs::write(out.join("embedded.rs"), text).expect("OUT_DIR is writable");
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            list(&path, files);
        } else {
            files.push(path);
        }
    }
}
