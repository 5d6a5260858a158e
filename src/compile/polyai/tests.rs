use std::collections::BTreeMap;
use std::path::Path;

use crate::compile::{Compilation, Finding, Kind, Severity, SourceFile, compile, corpus, detect};

fn folder(path: &str) -> BTreeMap<String, SourceFile> {
    corpus::folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
}

fn compiled(files: &[(&str, &str)]) -> Compilation {
    compile(&corpus::written(Kind::PolyAi, files))
}

/// Code, severity and message of each finding, without those about a project that is small on purpose.
fn findings(files: &[(&str, &str)]) -> Vec<(&'static str, Severity, String)> {
    let project = ("project.yaml", "region: us-1\naccount_id: a\nproject_id: p\n");
    let all: Vec<(&str, &str)> = files.iter().copied().chain([project]).collect();
    compiled(&all).findings.into_iter().map(|finding| (finding.word(), finding.severity, finding.message)).collect()
}

fn hints(files: &[(&str, &str)]) -> Vec<String> {
    compiled(files).findings.into_iter().filter_map(|finding| finding.hint).collect()
}

fn of(severity: Severity, compilation: &Compilation) -> Vec<&Finding> {
    compilation.findings.iter().filter(|finding| finding.severity == severity).collect()
}

#[test]
fn real_projects_compile_without_errors() {
    let Some(root) = corpus::root() else { return };
    let mut projects = 0;
    for folder in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path().join("files")) {
        let files = if folder.is_dir() { corpus::folder(&folder) } else { continue };
        if detect::detect(files.keys().map(String::as_str)).is_some_and(|found| found.kind == "polyai") {
            let compilation = compile(&corpus::source(Kind::PolyAi, files));
            assert_eq!(of(Severity::Error, &compilation), Vec::<&Finding>::new(), "{}", folder.display());
            projects += 1;
        }
    }
    assert!(projects > 0);
}

#[test]
fn a_copy_without_code_is_told_so_once() {
    let Some(files) = corpus::project("polyai-adk-project") else { return };
    let compilation = compile(&corpus::source(Kind::PolyAi, files));
    let missing: Vec<&Finding> = compilation.findings.iter().filter(|finding| finding.code == "missing-code").collect();
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0].severity, Severity::Note);
    assert!(missing[0].message.starts_with("code files are not in this folder; "), "{}", missing[0].message);
}

#[test]
fn the_reservations_project_is_flawless_and_always_freezes_to_the_same_digest() {
    let files = folder("fixtures/reservations");
    assert_eq!(detect::detect(files.keys().map(String::as_str)).unwrap().kind, "polyai");
    let compilation = compile(&corpus::source(Kind::PolyAi, files));
    assert_eq!(compilation.findings, vec![]);
    let frozen = compilation.frozen.unwrap();
    let config: serde_json::Value = serde_json::from_slice(frozen.bytes()).unwrap();
    assert_eq!((&config["kind"], &config["generated"]), (&"polyai".into(), &2.into()));
    assert_eq!(config["files"].as_object().unwrap().len(), 56);
    assert!(config["files"].get("_gen/decorators.py").is_none());
    assert_eq!(config["files"]["topics/parking.yaml"]["value"]["enabled"], true);
    assert_eq!(frozen.digest().to_string(), "sha256:79829ad8d4e01f63929f91b5b16b48acf621d666a86f3598830583caa6700e65");
}

#[test]
fn generated_files_are_counted_and_not_read() {
    let compilation = compiled(&[
        ("project.yaml", "region: us-1\naccount_id: a\nproject_id: p\n"),
        ("_gen/broken.json", "{"),
        ("_gen/rules.txt", "{{ho:nobody}}"),
    ]);
    assert_eq!(compilation.findings, vec![]);
    assert_eq!(
        std::str::from_utf8(compilation.frozen.unwrap().bytes()).unwrap(),
        r#"{"files":{"project.yaml":{"format":"yaml","value":{"account_id":"a","project_id":"p","region":"us-1"}}},"format":1,"generated":2,"included":{},"kind":"polyai"}"#
    );
}

#[test]
fn dangling_names_are_errors_with_the_nearest_name() {
    for (files, message, hint) in [
        (
            [
                ("config/handoffs.yaml", "handoffs: [{name: front desk}]"),
                ("agent_settings/rules.txt", "{{ho:front desc}}"),
            ],
            "there is no handoff `front desc`",
            "did you mean `{{ho:front desk}}`?",
        ),
        (
            [
                ("config/entities.yaml", "entities: [{name: party_size}]"),
                ("topics/a.yaml", "actions: '{{entity:party}}'"),
            ],
            "there is no entity `party`",
            "add `party` to `config/entities.yaml`, or remove the reference",
        ),
        (
            [
                ("config/variant_attributes.yaml", "attributes: [{name: site}]"),
                ("voice/configuration.yaml", "greeting: {welcome_message: \"é {{attr:sites}}\"}"),
            ],
            "there is no variant attribute `sites`",
            "did you mean `{{attr:site}}`?",
        ),
        (
            [
                ("config/sms_templates.yaml", "sms_templates:\n- name: sorry\n  text: x"),
                ("topics/a.yaml", "content: '{{twilio_sms:sory}}'"),
            ],
            "there is no SMS template `sory`",
            "did you mean `{{twilio_sms:sorry}}`?",
        ),
        (
            [
                ("flows/a/flow_config.yaml", "name: a\nstart_step: First step"),
                ("flows/a/steps/x.yaml", "name: first_step"),
            ],
            "the flow `a` starts at `First step`, which is none of its steps",
            "did you mean `first_step`?",
        ),
    ] {
        assert_eq!(findings(&files), [("dangling-reference", Severity::Error, message.to_owned())]);
        assert!(hints(&files).contains(&hint.to_owned()), "{:?}", hints(&files));
    }
}

#[test]
fn a_reference_is_found_where_it_stands_even_when_it_stands_twice() {
    let text = "actions: |\n  {{ho:b}}\n  and é {{ho:b}}\ncontent: x # {{ho:not_meant}}\n";
    let places: Vec<(usize, usize, usize)> = compiled(&[("topics/a.yaml", text)])
        .findings
        .iter()
        .filter(|finding| finding.code == "dangling-reference")
        .filter_map(|finding| finding.place.as_ref())
        .map(|place| (place.line, place.column, place.length))
        .collect();
    assert_eq!(places, [(2, 3, 8), (3, 9, 8)]);
}

#[test]
fn missing_functions_are_notes_and_never_errors() {
    let prompt = "{{fn:greet}} {{ft:finish}} {{vrbl:guest}}";
    let flow = [
        ("flows/a/flow_config.yaml", "name: a\nstart_step: one"),
        ("flows/a/steps/one.yaml", prompt),
        ("flows/a/steps/one.yaml", "name: one\nprompt: '{{fn:greet}} {{ft:finish}} {{vrbl:guest}}'\n"),
    ];
    assert_eq!(
        findings(&flow),
        [(
            "missing-code",
            Severity::Note,
            "code files are not in this folder; 3 references to functions not checked".to_owned()
        )]
    );
    let some =
        [&flow[..], &[("functions/great.py", "conv.state.guests = 1"), ("flows/b/functions/finish.py", "")]].concat();
    let missing = |what: &str, name: &str| {
        ("missing-code", Severity::Note, format!("no code in this folder defines the {what} `{name}`"))
    };
    assert_eq!(
        findings(&some),
        [missing("function", "greet"), missing("function of this flow", "finish"), missing("variable", "guest")]
    );
    let all =
        [&flow[..], &[("functions/greet.py", "conv.state.guest = 1"), ("flows/a/functions/finish.py", "")]].concat();
    assert_eq!(findings(&all), []);
}

#[test]
fn steps_must_lead_to_steps_and_collect_known_entities() {
    let step = |child: &str| {
        format!(
            "name: One\nextracted_entities: [size]\nconditions:\n- condition_type: step_condition\n  required_entities: [siez]\n  child_step: {child}\n"
        )
    };
    let check = |child: &str| {
        let step = step(child);
        findings(&[
            ("config/entities.yaml", "entities: [{name: size}]"),
            ("flows/a/flow_config.yaml", "name: a\nstart_step: One"),
            ("flows/a/steps/one.yaml", &step),
            ("flows/a/function_steps/look_up.py", ""),
        ])
        .into_iter()
        .map(|(_, severity, message)| (severity, message))
        .collect::<Vec<_>>()
    };
    let entity = (Severity::Error, "there is no entity `siez`".to_owned());
    assert_eq!(check("look_up"), std::slice::from_ref(&entity));
    assert_eq!(check("Two"), [entity, (Severity::Error, "there is no step `Two` in this flow".to_owned())]);
}

#[test]
fn names_that_share_a_file_name_are_errors() {
    let twice = |message: &str| [("duplicate-name", Severity::Error, message.to_owned())];
    assert_eq!(
        findings(&[("topics/a.yaml", "name: Opening hours!"), ("topics/b.yaml", "name: opening_hours")]),
        twice("`opening_hours` and `Opening hours!` become the same file name (file)")
    );
    assert_eq!(
        findings(&[("config/handoffs.yaml", "handoffs:\n- name: desk\n- name: desk\n")]),
        twice("`desk` is the name of two entries (handoffs)")
    );
}

#[test]
fn settings_are_checked_against_their_vocabulary() {
    let found = |files: &[(&str, &str)]| -> Vec<(&str, String)> {
        compiled(files).findings.into_iter().map(|finding| (finding.word(), finding.message)).collect()
    };
    assert_eq!(
        found(&[("project.yaml", "region: us1\naccount_id: ''\n")]),
        [
            ("missing-key", "`project.yaml` does not say `project_id`".to_owned()),
            ("unknown-value", "`us1` is not a region known here".to_owned()),
            ("missing-key", "`account_id` is empty".to_owned()),
        ]
    );
    let filter = "enabled: 'yes'\ncategories:\n  violence: {enabled: true, level: hard}\n  hat: {}\n  sexual: {}\n  self_harm: {}\n";
    assert_eq!(
        findings(&[("chat/safety_filters.yaml", filter)])
            .into_iter()
            .map(|(code, _, message)| (code, message))
            .collect::<Vec<_>>(),
        [
            ("wrong-type", "`enabled` must be true or false".to_owned()),
            ("missing-key", "the safety filter does not say what happens to `hate`".to_owned()),
            ("unknown-value", "`level` is none of `lenient`, `medium` and `strict`".to_owned()),
            ("unknown-key", "`hat` is not a category of safety filters".to_owned()),
        ]
    );
    assert_eq!(found(&[])[0].0, "missing-file");
}

#[test]
fn a_phone_number_that_loses_its_plus_is_a_warning() {
    let file = "handoffs:\n- name: desk\n  sip_config:\n    phone_number: +442079460018\n";
    assert_eq!(
        findings(&[("config/handoffs.yaml", file)]),
        [("lost-plus", Severity::Warning, "`+442079460018` without quotes is a number and loses its plus".to_owned())]
    );
}

#[test]
fn included_prompts_are_checked_too() {
    let mut source = corpus::written(Kind::PolyAi, &[("project.yaml", "region: us-1\naccount_id: a\nproject_id: p\n")]);
    let shared = corpus::written(Kind::PolyAi, &[("prompts/shared.md", "{{ho:desk}} {{ft:x}}")]);
    source.included = shared.files;
    let codes: Vec<(&str, String)> =
        compile(&source).findings.into_iter().map(|finding| (finding.word(), finding.path)).collect();
    let path = || "prompts/shared.md".to_owned();
    assert_eq!(codes, [("dangling-reference", path()), ("outside-flow", path())]);
}

#[test]
fn a_file_full_of_dangling_references_stays_readable() {
    let text = "{{ho:nobody}} ".repeat(20_000);
    assert_eq!(findings(&[("agent_settings/rules.txt", &text)]).len(), 51);
}

proptest::proptest! {
    #[test]
    fn any_project_is_survived(
        texts in proptest::collection::vec(
            "(\\PC|\n|: |- |\\{\\{(fn|ft|ho|attr|entity|vrbl|tn):[a-z-]{0,4}\\}\\}|name: [a-zé ]{0,3}\n|conditions:\n|start_step: a\n|  ){0,20}", 12)
    ) {
        let paths = [
            "project.yaml", "config/handoffs.yaml", "config/entities.yaml", "config/variant_attributes.yaml",
            "agent_settings/safety_filters.yaml", "agent_settings/rules.txt", "flows/a/flow_config.yaml",
            "flows/a/steps/a.yaml", "flows//steps/.yaml", "topics/a.yaml", "test_suite/a.yaml", "functions/a.py",
        ];
        let files: Vec<(&str, &str)> = paths.into_iter().zip(texts.iter().map(String::as_str)).collect();
        compiled(&files);
    }
}
