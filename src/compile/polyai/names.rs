//! What a project declares under a name, and names that the toolkit could not keep apart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::project::{Project, ProjectFile};
use super::report::{Report, shown};
use crate::compile::Severity;
use crate::compile::document::Node;

/// The names that one file declares. Nothing where the file is there but cannot be read: then nobody can say that a
/// name is missing.
pub(super) type Declared = Option<BTreeSet<String>>;

/// Every name that something in the project can refer to.
pub(super) struct Names<'a> {
    pub(super) entities: Declared,
    pub(super) attributes: Declared,
    pub(super) variants: Declared,
    pub(super) handoffs: Declared,
    pub(super) sms_templates: Declared,
    pub(super) translations: Declared,
    /// Whether the folder has any code at all.
    pub(super) has_code: bool,
    /// Functions that every prompt may call.
    pub(super) functions: BTreeSet<&'a str>,
    /// Variables that some function sets or reads.
    pub(super) variables: BTreeSet<&'a str>,
    /// By the name of the flow's folder.
    pub(super) flows: BTreeMap<&'a str, FlowNames<'a>>,
}

/// What one flow declares.
#[derive(Default)]
pub(super) struct FlowNames<'a> {
    /// Functions that only this flow's prompts may call.
    pub(super) functions: BTreeSet<&'a str>,
    /// Steps that are code.
    pub(super) function_steps: BTreeSet<&'a str>,
    /// Steps with a prompt.
    pub(super) steps: BTreeSet<String>,
}

/// How code names a variable: `conv.state.customer_name`.
static VARIABLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\bconv\.state\.([A-Za-z_][A-Za-z0-9_]*)").expect("the pattern is fixed"));

impl<'a> Names<'a> {
    /// Reads all declarations and reports names that stand for two things.
    pub(super) fn read(project: &Project<'a>, report: &mut Report) -> Self {
        let mut list = |path, key| declared(project, path, key, report);
        let entities = list("config/entities.yaml", "entities");
        let attributes = list("config/variant_attributes.yaml", "attributes");
        let variants = list("config/variant_attributes.yaml", "variants");
        let handoffs = list("config/handoffs.yaml", "handoffs");
        let sms_templates = list("config/sms_templates.yaml", "sms_templates");
        let translations = list("config/translations.yaml", "translations");
        list("config/api_integrations.yaml", "api_integrations");
        let code = || project.files.iter().filter(|(path, _)| path.ends_with(".py"));
        let variables = code()
            .flat_map(|(_, file)| VARIABLE.captures_iter(file.text))
            .filter_map(|found| found.get(1))
            .map(|name| name.as_str())
            .collect();
        for folder in ["topics/", "test_suite/", "tests/"] {
            distinct(project.below(folder, ".yaml"), "file", report);
        }
        let configs = project
            .flows()
            .into_iter()
            .filter_map(|flow| Some((flow, project.files.get(format!("flows/{flow}/flow_config.yaml").as_str())?)));
        distinct(configs, "flow", report);
        let flows = project.flows().into_iter().map(|flow| (flow, FlowNames::read(project, flow, report))).collect();
        Names {
            entities,
            attributes,
            variants,
            handoffs,
            sms_templates,
            translations,
            has_code: code().next().is_some(),
            functions: project.below("functions/", ".py").map(|(name, _)| name).collect(),
            variables,
            flows,
        }
    }
}

impl<'a> FlowNames<'a> {
    fn read(project: &Project<'a>, flow: &str, report: &mut Report) -> Self {
        let steps_folder = format!("flows/{flow}/steps/");
        let steps = distinct(project.below(&steps_folder, ".yaml"), "step", report);
        let code = |folder: &str| -> BTreeSet<&'a str> {
            project.below(&format!("flows/{flow}/{folder}/"), ".py").map(|(name, _)| name).collect()
        };
        FlowNames { functions: code("functions"), function_steps: code("function_steps"), steps }
    }
}

/// The `name` of each entry in the list `key` of the file at `path`.
fn declared(project: &Project, path: &str, key: &str, report: &mut Report) -> Declared {
    let Some(file) = project.files.get(path) else { return Some(BTreeSet::new()) };
    let list = file.root()?.get(key);
    let mut names = BTreeSet::new();
    let mut slugs: BTreeMap<String, &str> = BTreeMap::new();
    for item in list.map(Node::items).unwrap_or_default() {
        let Some(node) = item.get("name") else {
            let message = format!("an entry of `{key}` has no `name`");
            report.at(
                Severity::Error,
                "missing-key",
                file,
                item.span.clone(),
                message,
                Some("add `name: …`".to_owned()),
            );
            continue;
        };
        let Some(name) = node.as_str() else { continue };
        if let Some(other) = slugs.insert(slug(name), name) {
            report_twin(file, node, name, other, key, report);
        }
        names.insert(name.to_owned());
    }
    Some(names)
}

/// The names of files that each declare one thing, by their `name` or else by the name of the file.
fn distinct<'p, 'a: 'p>(
    files: impl Iterator<Item = (&'a str, &'p ProjectFile<'a>)>,
    what: &str,
    report: &mut Report,
) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut slugs: BTreeMap<String, &str> = BTreeMap::new();
    for (stem, file) in files {
        let node = file.root().and_then(|root| root.get("name"));
        let name = node.and_then(Node::as_str).unwrap_or(stem);
        let twin = slugs.insert(slug(name), name);
        if let (Some(other), Some(node)) = (twin, node) {
            report_twin(file, node, name, other, what, report);
        }
        names.insert(name.to_owned());
    }
    names
}

fn report_twin(file: &ProjectFile, node: &Node, name: &str, other: &str, what: &str, report: &mut Report) {
    let message = if name == other {
        format!("`{}` is the name of two entries ({what})", shown(name))
    } else {
        format!("`{}` and `{}` become the same file name ({what})", shown(name), shown(other))
    };
    let hint = Some("rename one of the two".to_owned());
    report.at(Severity::Error, "duplicate-name", file, node.span.clone(), message, hint);
}

/// The file name that the toolkit makes of a name: lower case, every run of anything else one underscore.
pub(super) fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars().flat_map(char::to_lowercase) {
        if letter.is_alphanumeric() {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    slug.truncate(slug.trim_end_matches('_').len());
    slug
}
