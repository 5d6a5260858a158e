//! `pointsman schema`

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::{Done, Session};
use crate::compile::native::{layout, schemas};
use crate::domain::nearest::nearest;
use crate::ops::Problem;
use crate::policy;
use crate::present::terminal::{Style, table};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// One file: `agent.toml`, `skills`, `skills/book.yaml`, `pointsman.toml`; all of them if left out
    file: Option<String>,
    /// Write `<name>.schema.json` for each into this folder
    #[arg(long = "dir", value_name = "FOLDER", conflicts_with = "list")]
    into: Option<PathBuf>,
    /// List the schemas and the files that they are for
    #[arg(long, conflicts_with = "file")]
    list: bool,
}

/// The schema of `pointsman.toml`, as it is written.
const POLICY: &str = "pointsman.schema.json";

/// What a schema's file is called after its name.
const ENDING: &str = ".schema.json";

/// A schema, the file that it is written to, and the files that it is for.
struct Schema {
    file: &'static str,
    describes: String,
    value: Value,
}

pub(super) fn run(args: &Args, session: &Session) -> Done {
    let mut all = all();
    if args.list {
        let listed: Vec<_> = all.iter().map(|one| json!({ "name": name(one), "for": one.describes })).collect();
        return Ok(session.show(&listed, |style| list(&all, style)));
    }
    if let Some(file) = &args.file {
        let wanted = wanted(file, &all)?;
        all.retain(|one| one.file == wanted);
    }
    if let Some(dir) = &args.into {
        let dir = session.global.dir.join(dir);
        let written = all.iter().map(|one| write(&dir, one)).collect::<Result<Vec<_>, _>>()?;
        let shown: Vec<_> = written.iter().map(|path| path.display().to_string()).collect();
        return Ok(session.show(&shown, |_| shown.iter().map(|path| format!("{path}\n")).collect()));
    }
    // A schema is JSON, whatever the format.
    match &all[..] {
        [only] => session.print_json(&only.value),
        many => {
            let by_name: Map<_, _> = many.iter().map(|one| (name(one).to_owned(), one.value.clone())).collect();
            session.print_json(&by_name);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn all() -> Vec<Schema> {
    let native = schemas().into_iter().map(|(file, value)| Schema { file, describes: describes(file), value });
    let policy = Schema { file: POLICY, describes: policy::FILE.to_owned(), value: policy::schema() };
    native.chain([policy]).collect()
}

fn name(schema: &Schema) -> &'static str {
    schema.file.strip_suffix(ENDING).unwrap_or(schema.file)
}

fn describes(file: &str) -> String {
    match file.strip_suffix(ENDING).unwrap_or(file) {
        "agent" => "agent.toml".to_owned(),
        "knowledge" => "knowledge/*.md (front matter)".to_owned(),
        folder if layout::FOLDERS.contains(&folder) => format!("{folder}/*.toml, .yaml, .json"),
        block => format!("{block}.toml, .yaml, .json"),
    }
}

/// The schema of a file, however it is named: by its path, its folder or its name alone.
fn wanted(given: &str, all: &[Schema]) -> Result<&'static str, Problem> {
    let whole = given.trim_end_matches('/');
    let parts: Vec<&str> = whole.split('/').collect();
    let stem = |part: &str| part.split('.').next().unwrap_or_default().to_owned();
    let of_part = |part: &str| all.iter().find(|one| name(one) == part).map(|one| one.file);
    // The folder decides over the file: a skill may be called `agent`.
    let folder = parts.iter().rev().skip(1).find_map(|part| of_part(part));
    let found = folder.or_else(|| of_part(&stem(parts.last().copied().unwrap_or_default())));
    found.ok_or_else(|| {
        let problem = Problem::usage("unknown_file", format!("no schema is for `{given}`"));
        match nearest(&stem(parts.last().copied().unwrap_or_default()), all.iter().map(name)) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem.hint("pointsman schema --list"),
        }
    })
}

fn list(all: &[Schema], style: &Style) -> String {
    let rows: Vec<_> = all.iter().map(|one| vec![name(one).to_owned(), one.describes.clone()]).collect();
    table(&["schema", "for"], &rows, style)
}

/// Writes a schema by rename, because editors read these files at any moment.
fn write(dir: &Path, schema: &Schema) -> Result<PathBuf, Problem> {
    let path = dir.join(schema.file);
    let text = serde_json::to_string_pretty(&schema.value).expect("a schema has string keys only");
    let put = || {
        std::fs::create_dir_all(dir)?;
        let mut file = tempfile::Builder::new().prefix(".schema-").tempfile_in(dir)?;
        writeln!(file, "{text}")?;
        readable_by_all(file.as_file())?;
        file.persist(&path).map_err(|error| error.error)
    };
    match put() {
        Ok(_) => Ok(path),
        Err(error) => Err(Problem::refused("io", format!("cannot write `{}`: {error}", path.display()))
            .hint("name a folder that can be written: --dir <folder>")),
    }
}

/// Temporary files are their owner's alone; a schema is committed and read by everybody.
fn readable_by_all(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}
