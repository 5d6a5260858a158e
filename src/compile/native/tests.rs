use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;

use crate::compile::{Compilation, Content, FileMode, Finding, Kind, Source, SourceFile, compile};

fn source(files: BTreeMap<String, Vec<u8>>) -> Source {
    let file = |bytes| SourceFile { mode: FileMode::Regular, content: Content::Bytes(bytes) };
    Source {
        agent: "support".parse().unwrap(),
        kind: Kind::Native,
        folder: String::new(),
        file_count: files.len(),
        files: files.into_iter().map(|(path, bytes)| (path, file(bytes))).collect(),
        included: BTreeMap::new(),
        filtered: BTreeSet::new(),
        conflicted: BTreeSet::new(),
    }
}

fn compiled(files: &[(&str, &str)]) -> Compilation {
    compile(&source(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()))
}

/// `path:line:column severity code: message; hint` for each finding.
fn told(files: &[(&str, &str)]) -> Vec<String> {
    compiled(files).findings.iter().map(line).collect()
}

fn line(finding: &Finding) -> String {
    let place = finding.place.as_ref().map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
    let hint = finding.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{}{place} {:?} {}: {}{hint}", finding.path, finding.severity, finding.code, finding.message)
}

fn fixture(name: &str) -> BTreeMap<String, Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let (mut files, mut open) = (BTreeMap::new(), vec![root.clone()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let inside = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                files.insert(inside, std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

#[test]
fn fixtures_compile_clean_and_to_the_same_digest_for_ever() {
    for (name, digest) in [
        ("front-desk", "sha256:1ed69cf50f344f89232d616bfe938046da96a99598615b232ec3884082fc116f"),
        ("claims", "sha256:9878d014b7eae5e9953ae7fba940b33c411f9001d88d77ee9de4e00dd7240d50"),
    ] {
        let compilation = compile(&source(fixture(name)));
        assert_eq!(compilation.findings.iter().map(line).collect::<Vec<_>>(), Vec::<String>::new(), "{name}");
        let frozen = compilation.frozen.unwrap();
        assert_eq!(frozen.digest().to_string(), digest, "{name}");
    }
}

/// Each beside a manifest and a persona; the snapshot has what is told.
const MISTAKES: &[(&str, &str)] = &[
    ("agent.toml", ""),
    ("agent.toml", "nmae = \"x\"\nworkflow = \"graph\"\n[variables]\ntries = 3"),
    ("agent.toml", "name = \"x\"\nworkflow = \"workflow_graph\""),
    ("agent.yaml", "name: x"),
    ("voice.toml", "provder = \"a\"\nspeed = 9\nstability = \"high\""),
    ("voice.yaml", "transcriber:\n  provder: a\npronunciations: [a]"),
    ("voice.yaml", "- a"),
    ("voice.yaml", ""),
    ("voice.yaml", "a: 1\n---\nb: 2"),
    ("voice.yaml", "a: [1"),
    ("llm.toml", "endpoint = \"https://api.example.com\""),
    ("llm.toml", "fallback = {}"),
    ("llm.toml", "fallback = \"gpt\""),
    ("llm.toml", "temperature = 2.5\nmax_tokens = 10.0"),
    ("language.toml", "primary = \"english\"\npolicy = \"codeswitch\""),
    ("language.toml", "primary = \"en\"\nsupported = [\"de\", \"it\", 3]\npolicy = \"single_language\""),
    ("language.toml", "primary = \"en\"\nsupported = [\"de\", \"it\"]\npolicy = \"single_language\""),
    ("audio.toml", "background = \"beach\""),
    ("skills/a.toml", ""),
    ("skills/a.toml", "description = \"\"\nparameters = [{name=\"a\", type=\"strng\"}]"),
    (
        "skills/a.toml",
        "description = \"x\"\nparameters = [{name=\"a\", type=\"string\", description=\"d\"}, {name=\"a\", type=\"string\"}]\n[request]\nmethod=\"get\"\nurl=\"x\"",
    ),
    (
        "skills/a.toml",
        "description = \"x\"\nparameters = [{name=\"slot\", type=\"string\", description=\"d\"}]\n[request]\nmethod=\"GET\"\nurl=\"http://x.example/{id}/${k}\"\nsend = [\"slto\", \"zebra\"]",
    ),
    ("guardrails/a.toml", "rule = \"x\"\nkind = \"banned\"\naction = \"handof\""),
    ("guardrails/a.toml", "rule = \"x\"\nkind = \"banned_topic\""),
    ("guardrails/a.toml", "rule = \"x\"\nkind = \"handoff\""),
    ("playbooks/a.toml", "when = \"x\"\nsteps = []"),
    ("playbooks/a.toml", "when = \"x\"\nsteps = [{}, {say=\"x\", skil=\"a\"}, {skill=\"a\"}, {knowledge=\"b\"}]"),
    ("playbooks/a.toml", "when = \"x\"\nsteps = [{skill=\"a\"}, {knowledge=\"b\"}]"),
    ("graph.toml", "start = \"a\"\nnodes = []"),
    (
        "graph.toml",
        "start = \"x\"\nnodes = [{id = \"a\"}, {id = \"a\", end = true, transitions = [{to = \"b\"}], skills = [\"s\"], knowledge=[\"k\"]}]",
    ),
    ("graph.toml", "start = \"a\"\nnodes = [{id = \"a\"}, {id = \"b\", end = true, transitions = [{to = \"a\"}]}]"),
    ("call_handling.yaml", "transfer:\n  - name: a\n    number: +442071234567\n  - name: a\n    number: '020'"),
    (
        "call_handling.yaml",
        "transfer:\n  - {name: a, number: '+442071234567'}\n  - {name: a, number: '+442071234567'}\nbusiness_hours:\n  timezone: Europe/London\n  weekly: {mon: ['17:00-09:00'], tue: []}\nafter_hours: {say: x, transfer: b}",
    ),
    (
        "call_handling.yaml",
        "business_hours:\n  timezone: Europe/London\n  weekly: {monday: ['17:00-09:00'], tue: ['9-5']}",
    ),
    ("tests/a.toml", ""),
    ("tests/a.toml", "variables = {zed = \"1\"}\nturns = [{user = \"x\", expect = {skill = \"s\"}}]"),
    ("knowledge/a.md", "---\ntitel: x\n---\nbody"),
    ("knowledge/a.md", "---\ntitle: x\nquestions: one?\n---\n\n"),
    ("knowledge/a.md", "---\ntitle: x\n---\n\n"),
    ("persona.md", " \n"),
    ("widget.json", "{\"title\": 5, \"color\": \"red\", \"position\": \"left\"}"),
    ("timeouts.toml", "idle_seconds = 0\nllm_seconds = \"4\"\nidle_reminders = 1.5"),
    ("timeouts.json", "{\"idle_seconds\": null}"),
    ("timeouts.yaml", "? [a]\n: b"),
];

#[test]
fn mistakes_are_told_in_place_with_a_way_out() {
    let mut report = String::new();
    for (path, text) in MISTAKES {
        let manifest = ("agent.toml", "name = \"x\"\nworkflow = \"single_prompt\"");
        let files = if *path == "agent.toml" { vec![(*path, *text)] } else { vec![manifest, (*path, *text)] };
        let persona = [("persona.md", "x")].into_iter().filter(|_| *path != "persona.md");
        report.push_str(&format!("{path}: {text:?}\n"));
        for line in told(&files.into_iter().chain(persona).collect::<Vec<_>>()) {
            report.push_str(&format!("    {line}\n"));
        }
    }
    insta::assert_snapshot!(report);
}

#[test]
fn what_is_left_out_of_a_file_is_left_out_of_the_config() {
    let compilation = compiled(&[
        ("agent.toml", "name = \"Ada\"\ngoals = []\n"),
        ("persona.md", "\u{feff}Be brief.\r\n"),
        ("knowledge/b.md", "# Parking\r\n\r\nBehind the house.\n"),
        ("knowledge/a.md", "No heading."),
        ("skills/look.toml", "description = \"Looks.\"\nconfirm = false\n"),
        ("llm.yaml", "# nothing yet\n"),
        ("guardrails/calm.json", "{\"$schema\": \"x\", \"rule\": \"Stay calm.\", \"kind\": \"privacy\"}"),
        ("README.md", "For people."),
    ]);
    assert!(compilation.findings.is_empty(), "{:?}", compilation.findings);
    let config: serde_json::Value = serde_json::from_slice(compilation.frozen.unwrap().bytes()).unwrap();
    let expected = serde_json::json!({
        "format": 1,
        "kind": "native",
        "name": "Ada",
        "workflow": "single_prompt",
        "workflow_prompt": {"persona": "Be brief.\n"},
        "workflow_tools": [{"name": "look", "description": "Looks."}],
        "knowledge": [
            {"name": "a", "title": "a", "body": "No heading."},
            {"name": "b", "title": "Parking", "body": "# Parking\n\nBehind the house.\n"},
        ],
        "guardrails": [{"name": "calm", "rule": "Stay calm.", "kind": "privacy", "enabled": true}],
    });
    assert_eq!(config, expected);
}

#[test]
fn the_format_of_a_file_does_not_change_the_config() {
    let manifest = ("agent.toml", "name = \"x\"");
    let persona = ("persona.md", "x");
    let digest = |path, text| compiled(&[manifest, persona, (path, text)]).frozen.unwrap().digest();
    let toml = digest("timeouts.toml", "llm_seconds = 4.0\nidle_seconds = 10");
    assert_eq!(toml, digest("timeouts.yml", "idle_seconds: 10.0\nllm_seconds: 4"));
    assert_eq!(toml, digest("timeouts.JSON", "{\"llm_seconds\": 4e0, \"idle_seconds\": 10}"));
}

#[test]
fn a_folder_without_a_manifest_is_told_what_to_do() {
    let lines = told(&[("persona.md", "x")]);
    let expected =
        "agent.toml Error no-manifest: a native agent needs an `agent.toml`; create it with one line: `name = \"…\"`";
    assert_eq!(lines, [expected]);
}

#[test]
fn one_name_is_one_file() {
    let lines = told(&[
        ("agent.toml", "name = \"x\""),
        ("persona.md", "x"),
        ("llm.toml", ""),
        ("llm.yaml", ""),
        ("skills/a.json", "{\"description\": \"x\"}"),
        ("skills/a.toml", "description = \"x\""),
    ]);
    assert_eq!(
        lines,
        [
            "llm.yaml Error duplicate-name: `llm.toml` already has this name, and one name is one file; remove or rename one of them",
            "skills/a.toml Error duplicate-name: `skills/a.json` already has this name, and one name is one file; remove or rename one of them",
        ]
    );
}

#[test]
fn a_broken_file_does_not_make_others_look_wrong() {
    let lines = told(&[
        ("agent.toml", "name = \"x\""),
        ("persona.md", "x"),
        ("playbooks/ask.toml", "when = \"x\"\nsteps = [{collect = \"day\", skill = \"book\"}"),
        ("playbooks/use.toml", "when = \"x\"\nsteps = [{skill = \"book\"}]"),
        (
            "skills/book.toml",
            "description = \"x\"\n[request]\nmethod = \"GET\"\nurl = \"https://x.example\"\nsend = [\"day\"]",
        ),
        ("skills/other.toml", "descripton = \"x\""),
    ]);
    let codes: Vec<_> = lines.iter().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(
        codes,
        [
            "playbooks/ask.toml:2:43 Error syntax",
            "skills/other.toml:1:1 Error unknown-key",
            "skills/other.toml:1:1 Error missing-key",
        ]
    );
}

#[test]
fn a_prompt_may_be_a_link_to_an_included_file() {
    let mut source = source(BTreeMap::from([("agent.toml".to_owned(), b"name = \"x\"".to_vec())]));
    source.folder = "agents/support".to_owned();
    let link = |target: &str| SourceFile { mode: FileMode::Symlink, content: Content::Bytes(target.into()) };
    let shared = SourceFile { mode: FileMode::Regular, content: Content::Bytes(b"Shared.".to_vec()) };
    source.files.insert("persona.md".to_owned(), link("../../prompts/persona.md"));
    source.included.insert("prompts/persona.md".to_owned(), shared);
    let compilation = compile(&source);
    assert!(compilation.findings.is_empty(), "{:?}", compilation.findings);
    let config: serde_json::Value = serde_json::from_slice(compilation.frozen.unwrap().bytes()).unwrap();
    assert_eq!(config["workflow_prompt"]["persona"], "Shared.");
    assert_eq!(config["included"]["prompts/persona.md"]["text"], "Shared.");
    source.files.insert("persona.md".to_owned(), link("../secrets.md"));
    let findings = compile(&source).findings;
    assert_eq!(findings.iter().map(Finding::word).collect::<Vec<_>>(), ["link"]);
}

#[test]
fn hostile_sizes_take_bounded_time() {
    let nodes: String =
        (0..20_000).map(|id| format!("- {{id: n{id}, transitions: [{{to: m{id}}}], skills: [s{id}]}}\n")).collect();
    let send: String = (0..20_000).map(|id| format!("\"f{id}\",")).collect();
    let keys: String = (0..50_000).map(|id| format!("k{id}: 1\n")).collect();
    let graph = format!("start: n0\nnodes:\n{nodes}");
    let skill = format!(
        "description = \"x\"\nrequest = {{method = \"GET\", url = \"https://x.example/{}\", send = [{send}]}}",
        "{a}".repeat(10_000)
    );
    let started = std::time::Instant::now();
    let compilation = compiled(&[
        ("agent.toml", "name = \"x\"\nworkflow = \"workflow_graph\""),
        ("graph.yaml", &graph),
        ("skills/a.toml", &skill),
        ("voice.yaml", &keys),
        ("llm.json", &format!("{{\"endpoint\": {}1{}}}", "[".repeat(100), "]".repeat(100))),
    ]);
    assert!(compilation.frozen.is_none());
    assert!(compilation.findings.len() < 300, "{} findings", compilation.findings.len());
    assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
}

/// One edit to one file of a folder, of the kinds that merges, editors and people make.
#[derive(Clone, Debug)]
struct Edit {
    file: prop::sample::Index,
    at: prop::sample::Index,
    length: usize,
    with: Vec<u8>,
}

fn edit() -> impl Strategy<Value = Edit> {
    let pieces = prop::sample::select(vec![
        "",
        "\r\n",
        "\"",
        "[",
        "]",
        "{",
        "}",
        "---\n",
        "+++\n",
        ": ",
        " = ",
        "- ",
        "&a ",
        "*a ",
        "<<: *a\n",
        "null",
        "[[nodes]]\n",
        "\u{feff}",
        "é",
        "\t",
        "1e999",
        "0x",
        "name",
        "${",
        "<<<<<<< x\n=======\n>>>>>>> y\n",
        "\0",
    ]);
    let text =
        prop_oneof![pieces.prop_map(|piece| piece.as_bytes().to_vec()), prop::collection::vec(any::<u8>(), 0..4)];
    (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..40_usize, text)
        .prop_map(|(file, at, length, with)| Edit { file, at, length, with })
}

fn edited(mut files: BTreeMap<String, Vec<u8>>, edits: &[Edit]) -> BTreeMap<String, Vec<u8>> {
    for edit in edits {
        let path = edit.file.get(&files.keys().cloned().collect::<Vec<_>>()).clone();
        let bytes = files.get_mut(&path).unwrap();
        let at = edit.at.index(bytes.len() + 1);
        let end = (at + edit.length).min(bytes.len());
        bytes.splice(at..end, edit.with.iter().copied());
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn edited_folders_never_panic_and_compile_the_same_twice(
        name in prop::sample::select(vec!["front-desk", "claims"]),
        kind in prop::sample::select(vec!["native", "plain"]),
        edits in prop::collection::vec(edit(), 1..12),
    ) {
        let mut source = source(edited(fixture(name), &edits));
        source.kind = Kind::named(kind);
        let (first, second) = (compile(&source), compile(&source));
        prop_assert_eq!(first.errors().count() == 0, first.frozen.is_some());
        prop_assert_eq!(first.frozen, second.frozen);
        prop_assert_eq!(first.findings, second.findings);
    }
}
