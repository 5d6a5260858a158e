//! A PolyAI ADK project, frozen file by file, with the checks that the platform would only make on push.
//!
//! Prompts refer to functions, entities, handoffs and templates by name (`{{ho:front_desk}}`), flows to their steps.
//! All of that is in the folder, so a dangling name is an error here. Code is the exception: a copy of the folder may
//! come without its Python files, and that is worth one note, not hundreds of errors.

mod flows;
mod names;
mod project;
mod references;
mod report;
mod settings;

use serde_json::{Map, Value, json};

use self::names::Names;
use self::project::Project;
use self::report::Report;
use super::{Finding, Source};

/// What the toolkit writes and overwrites: stubs and its own state. It stays in the version, not in the config.
const GENERATED: &str = "_gen/";

/// Compiles a PolyAI ADK project.
pub fn compile(source: &Source, findings: &mut Vec<Finding>) -> Option<Value> {
    let (project, files) = Project::read(source, findings);
    let included = super::other::freeze_files(&source.included, str::to_owned, findings);
    check(&project, source, &mut Report::new(findings));
    let mut config = Map::new();
    config.insert("format".to_owned(), json!(1));
    config.insert("kind".to_owned(), json!(source.kind.to_string()));
    config.insert("files".to_owned(), Value::Object(files));
    config.insert("included".to_owned(), Value::Object(included));
    let generated = source.files.keys().filter(|path| path.starts_with(GENERATED)).count();
    if generated > 0 {
        config.insert("generated".to_owned(), json!(generated));
    }
    Some(Value::Object(config))
}

fn check(project: &Project, source: &Source, report: &mut Report) {
    let names = Names::read(project, report);
    settings::check(project, &names.variants, source, report);
    flows::check(project, &names, report);
    references::check(project, &names, source, report);
    if report.unchecked_code > 0 {
        let message =
            format!("code files are not in this folder; {} references to functions not checked", report.unchecked_code);
        report.note("missing-code", &source.folder, message);
    }
}

#[cfg(test)]
mod tests;
