use super::*;
use crate::compile::Kind;

fn file(content: impl Into<Vec<u8>>) -> SourceFile {
    SourceFile { mode: FileMode::Regular, content: Content::Bytes(content.into()) }
}

fn link(target: &str) -> SourceFile {
    SourceFile { mode: FileMode::Symlink, content: Content::Bytes(target.into()) }
}

fn source(files: impl IntoIterator<Item = (&'static str, SourceFile)>) -> Source {
    let files: BTreeMap<_, _> = files.into_iter().map(|(path, file)| (path.to_owned(), file)).collect();
    Source {
        agent: "support".parse().unwrap(),
        kind: Kind::Native,
        folder: "agents/support".to_owned(),
        file_count: files.len(),
        files,
        included: BTreeMap::from([("prompts/shared/tone.md".to_owned(), file("Be kind."))]),
        filtered: Default::default(),
        conflicted: Default::default(),
    }
}

fn told(source: &Source) -> Vec<(Severity, &'static str, String)> {
    let mut findings = Vec::new();
    check(source, &mut findings);
    findings.into_iter().map(|finding| (finding.severity, finding.word(), finding.path)).collect()
}

fn faults(files: impl IntoIterator<Item = (&'static str, SourceFile)>) -> Vec<String> {
    let mut findings = Vec::new();
    check(&source(files), &mut findings);
    findings.into_iter().map(|finding| finding.message).collect()
}

#[test]
fn sizes_warn_first_and_refuse_later() {
    let of = |size: usize| told(&source([("a.txt", file(vec![b'x'; size]))]));
    let path = || "agents/support/a.txt".to_owned();
    let agent = || "agents/support".to_owned();
    assert_eq!(of(1_000_000), []);
    assert_eq!(of(1_000_001), [(Severity::Warning, "file-large", path())]);
    let two = [(Severity::Warning, "agent-large", agent()), (Severity::Warning, "file-large", path())];
    assert_eq!(of(2_000_001), two);
    let eleven = [(Severity::Warning, "agent-large", agent()), (Severity::Error, "file-too-large", path())];
    assert_eq!(of(10_000_001), eleven);
    let unread = SourceFile { mode: FileMode::Regular, content: Content::TooLarge { size: 30_000_000 } };
    assert_eq!(told(&source([("a.txt", unread)])), [(Severity::Error, "file-too-large", path())]);
    let many = [("a", file(vec![b'x'; 9_000_000])), ("b", file(vec![0; 9_000_000])), ("c", file(vec![0; 9_000_000]))];
    let many = source(many);
    assert!(is_too_large(&many));
    assert!(told(&many).contains(&(Severity::Error, "agent-too-large", agent())));
    let crowd = Source { file_count: 5_001, ..source([]) };
    assert_eq!(told(&crowd), [(Severity::Error, "too-many-files", agent())]);
    assert!(is_too_large(&crowd));
}

#[test]
fn links_may_lead_inside_and_to_included_files() {
    let files = || {
        [
            ("a/persona.md", link("../b/persona.md")),
            ("b/persona.md", file("Hello.")),
            ("chain", link("a/persona.md")),
            ("folder", link("./b//")),
            ("shared.md", link("../../prompts/shared/tone.md")),
            ("shared", link("../../prompts/shared")),
            ("through", link("folder/persona.md")),
            ("round", link("../../agents/support/b/persona.md")),
        ]
    };
    assert_eq!(faults(files()), Vec::<String>::new());
    let source = source(files());
    assert_eq!(links::resolve(&source, "agents/support/through"), Ok(links::End::File(&file("Hello."))));
    assert_eq!(links::resolve(&source, "agents/support/folder"), Ok(links::End::Folder));
}

#[test]
fn links_that_lead_elsewhere_are_errors() {
    for (target, message) in [
        ("../../prompts/secret.md", "this link leads out of the agent's folder, to `prompts/secret.md`"),
        ("../billing/persona.md", "this link leads out of the agent's folder, to `agents/billing/persona.md`"),
        ("../support2/x", "this link leads out of the agent's folder, to `agents/support2/x`"),
        ("../../../../etc/passwd", "this link leads out of the repository"),
        ("/etc/passwd", "this link leads out of the repository"),
        ("link", "this link leads back to itself"),
        ("./link/x", "this link leads back to itself"),
        (".", "this link leads back to itself"),
        ("missing.md", "this link leads to `agents/support/missing.md`, which does not exist"),
        ("", "this link leads to `agents/support/link`, which does not exist"),
        ("..", "this link leads out of the agent's folder, to `agents`"),
    ] {
        assert_eq!(faults([("link", link(target)), ("a.md", file("x"))]), [message], "{target:?}");
    }
    let pair = faults([("a", link("b")), ("b", link("a"))]);
    assert_eq!(pair, ["this link leads back to itself", "this link leads back to itself"]);
    let long: &'static str = Box::leak("x/../".repeat(800).into_boxed_str());
    assert_eq!(faults([("link", link(long))]).len(), 1);
}

#[test]
fn what_git_would_change_is_an_error() {
    let mut source = source([("a.bin", file("x")), ("b.txt", file("y"))]);
    source.filtered.insert("a.bin".to_owned());
    source.conflicted.insert("b.txt".to_owned());
    let module = SourceFile { mode: FileMode::Submodule, content: Content::Bytes(Vec::new()) };
    source.files.insert("module".to_owned(), module);
    let codes: Vec<_> = told(&source).into_iter().map(|(severity, code, _)| (severity, code)).collect();
    assert_eq!(codes, [(Severity::Error, "submodule"), (Severity::Error, "filtered"), (Severity::Error, "conflict")]);
}

#[test]
fn conflict_markers_are_found_and_headings_are_not() {
    let mut findings = Vec::new();
    let text = "# Refunds\r\n<<<<<<< HEAD\r\nno\r\n=======\r\nyes\r\n>>>>>>> branch\r\n";
    check(&source([("a.md", file(text))]), &mut findings);
    let place = findings[0].place.as_ref().unwrap();
    assert_eq!((findings[0].word(), place.line, place.column, place.length), ("conflict", 2, 1, 7));
    assert!(faults([("a.md", file("Title\n=======\n<<<<<<< is how a conflict starts\n"))]).is_empty());
}

#[test]
fn an_agent_inside_an_agent_is_an_error() {
    let nested = [
        ("agent.toml", file("")),
        ("old/agent.toml", file("")),
        ("p/project.yaml", file("")),
        ("p/agent_settings/rules.txt", file("")),
        ("q/project.yaml", file("")),
    ];
    let expected = ["agents/support/old/agent.toml", "agents/support/p/project.yaml"];
    let told = told(&source(nested));
    assert_eq!(told.iter().map(|(_, _, path)| path.as_str()).collect::<Vec<_>>(), expected);
}

#[test]
fn odd_names_are_warnings() {
    let odd = [("a\u{fffd}", file("")), ("b\u{7}", file("")), ("Read.md", file("")), ("read.md", file(""))];
    let codes: Vec<_> = told(&source(odd)).into_iter().map(|(severity, code, _)| (severity, code)).collect();
    let warning = |code| (Severity::Warning, code);
    assert_eq!(codes, [warning("file-name"), warning("file-name"), warning("same-name")]);
}
