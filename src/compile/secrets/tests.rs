//! Every secret in here is put together at run time, so that this file holds none.

use super::*;
use crate::compile::{Content, Kind, Place, corpus};

/// `length` characters of `alphabet` that look drawn at random, the same in every run.
fn random(alphabet: &str, length: usize) -> String {
    let letters: Vec<char> = alphabet.chars().collect();
    let mut state = 0x2545_f491_u64;
    let next = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        letters[usize::try_from(state >> 33).unwrap() % letters.len()]
    });
    next.take(length).collect()
}

fn letters(length: usize) -> String {
    random("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", length)
}

fn hex(length: usize) -> String {
    random("0123456789abcdef", length)
}

fn upper(length: usize) -> String {
    random("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", length)
}

fn found(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    scan(&corpus::written(Kind::Native, &[(path, text)]), &mut findings);
    findings
}

fn key_block(label: &str) -> String {
    let dashes = "-".repeat(5);
    format!("{dashes}BEGIN {label}{dashes}\n{}\n{}\n{dashes}END {label}{dashes}\n", letters(64), letters(64))
}

#[test]
fn tokens_of_known_shape_are_found_in_any_surroundings() {
    let tokens = [
        ["AKI", "A", &upper(16)].concat(),
        ["ASI", "A", &upper(16)].concat(),
        ["AIz", "a", &letters(35)].concat(),
        ["GOCS", "PX-", &letters(28)].concat(),
        ["Account", "Key=", &letters(86), "=="].concat(),
        ["gh", "p_", &letters(36)].concat(),
        ["gh", "o_", &letters(36)].concat(),
        ["github", "_pat_", &letters(22), "_", &letters(59)].concat(),
        ["glp", "at-", &letters(20)].concat(),
        ["xo", "xb-", &random("0123456789", 12), "-", &letters(24)].concat(),
        ["sk", "_live_", &letters(24)].concat(),
        ["rk", "_live_", &letters(24)].concat(),
        ["s", "k-", &letters(48)].concat(),
        ["s", "k-proj-", &letters(60)].concat(),
        ["s", "k-ant-api03-", &letters(60)].concat(),
        ["s", "k_", &hex(48)].concat(),
        ["S", "K", &hex(32)].concat(),
        ["S", "G.", &letters(22), ".", &letters(43)].concat(),
        ["np", "m_", &letters(36)].concat(),
        ["py", "pi-", &letters(80)].concat(),
        ["h", "f_", &letters(34)].concat(),
        ["ey", "J", &letters(20), ".ey", "J", &letters(30), ".", &letters(43)].concat(),
        ["flow", "yte_sk_", &letters(24)].concat(),
    ];
    for token in &tokens {
        for text in [
            token.clone(),
            format!("see {token} here"),
            format!("a: \"{token}\"\n"),
            format!("{{\"text\": \"first line\\n{token}\\nlast\"}}"),
            format!("é\r\n- {token}\r\n"),
        ] {
            let findings = found("a.md", &text);
            assert_eq!(findings.len(), 1, "{text}");
            let shown = format!("{findings:?}");
            assert!(!shown.contains(token.as_str()), "{shown}");
            assert!(!shown.contains(&token[token.len() - 8..]), "{shown}");
        }
        assert_eq!(found("a.md", &format!("x{token}")).len(), usize::from(token.starts_with("Acc")), "{token}");
    }
}

#[test]
fn secrets_are_found_by_their_surroundings() {
    let basic = "aGVsZW5hOnE3UmsydkxXOVp0NA==";
    for text in [
        key_block("RSA PRIVATE KEY"),
        key_block("OPENSSH PRIVATE KEY"),
        key_block("PGP PRIVATE KEY BLOCK"),
        format!("{{\"private_key\": \"{}\"}}", key_block("PRIVATE KEY").replace('\n', "\\n")),
        format!("Authorization: Bearer {}", letters(32)),
        format!("headers: {{Authorization: 'Basic {basic}'}}"),
        format!("url: https://helena:{}@db.acme.io/x", letters(12)),
        format!("AC{} {}", hex(32), hex(33).split_off(1)),
        format!("api_key: {}", letters(32)),
        format!("\"apiKey\": \"{}\"", letters(32)),
        format!("\\\"api-key\\\": \\\"{}\\\"", letters(32)),
        format!("API_KEY={}", letters(20)),
        format!("API_KEY={} poly push", letters(20)),
        format!("client_secret = '{}'", letters(40)),
        format!("auth_token: {}", hex(32)),
        format!("- key: X-Api-Key\n  value: {}\n", letters(24)),
        format!("{{\"key\": \"X-Api-Key\", \"value\": \"{}\"}}", letters(24)),
        format!("<password>{}</password>", letters(24)),
        format!("password: {}", ["kT7#", "qz9!Lm"].concat()),
        format!("xi-api-key: {}", hex(32)),
        format!("deepgram_api_key: {}", hex(40)),
    ] {
        let findings = found("a.yaml", &text);
        assert_eq!(findings.len(), 1, "{text}\n{findings:?}");
        assert_eq!((findings[0].word(), findings[0].severity), ("live-secret", Severity::Error));
    }
}

#[test]
fn the_secret_beside_an_aws_key_id_is_found_too() {
    let text = format!("{}{},{}", "AKI", ["A", &upper(16)].concat(), random("ABCDefgh0123456789+/XYZklmnop", 40));
    assert_eq!(found("keys.csv", &text).len(), 2);
}

#[test]
fn what_only_looks_like_a_secret_is_left_alone() {
    for text in [
        "api_key: your-api-key".to_owned(),
        "api_key: <token>".to_owned(),
        "api_key: xxxxxxxxxxxxxxxxxxxxxxxx".to_owned(),
        "password: changeme".to_owned(),
        "client_secret: REPLACE_ME_WITH_THE_REAL_ONE_9".to_owned(),
        "token: ${API_TOKEN_FOR_PRODUCTION_7}".to_owned(),
        "token: {{secret.billing_token_9}}".to_owned(),
        "api_key: $SOME_LONG_VARIABLE_NAME_7".to_owned(),
        "api_key: op://Private/billing7/credential".to_owned(),
        "api_key: vault:kv/data/billing#api7Key9X".to_owned(),
        "password: env:BILLING_PASSWORD_77".to_owned(),
        format!("secretId: {}", letters(32)),
        format!("secret_ref: {}", letters(32)),
        format!("secret_name: {}", letters(32)),
        "secret: arn:aws:secretsmanager:eu-west-1:1234:secret:prod/x-7Qk2Lw".to_owned(),
        format!("commit {}", hex(40)),
        format!("digest: sha256:{}", hex(64)),
        format!("token: {}", hex(40)),
        "session_token: 3f1c9d2e-0b4a-4c5d-8e6f-7a8b9c0d1e2f".to_owned(),
        format!("voice_id: {}", letters(20)),
        "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE".to_owned(),
        ["aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/", "bPxRfiCYEXAMPLEKEY"].concat(),
        "Authorization: Bearer YOUR_ACCESS_TOKEN".to_owned(),
        "Authorization: Bearer ${TOKEN}".to_owned(),
        "the basic authentication of the bearer is a password: long and secret".to_owned(),
        "url: postgres://postgres:postgres@localhost:5432/db".to_owned(),
        "url: https://user:password@example.com/".to_owned(),
        "url: https://a.io/path:with@sign".to_owned(),
        "max_tokens: 4096\ntokenizer: cl100k_base_with_numbers_7".to_owned(),
        "api_key = os.environ['BILLING_API_KEY']\ntoken = get_token_v2(conv)\n".to_owned(),
        format!("{0}BEGIN PRIVATE KEY{0}\n...\n{0}END PRIVATE KEY{0}", "-----"),
        format!("nextPageToken: {}", letters(40)),
        format!("publishable_api_key: {}", letters(40)),
        "task-list-with-many-parts-and-risk-assessment-of-2024".to_owned(),
        "sk-SK, sk-your-openai-key-goes-here-please".to_owned(),
        ["gh", "p_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"].concat(),
    ] {
        assert_eq!(found("a.yaml", &text), vec![], "{text}");
    }
}

#[test]
fn real_projects_raise_no_false_alarm() {
    let Some(root) = corpus::root() else { return };
    let mut alarms = Vec::new();
    let mut files = 0;
    for project in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path().join("files")) {
        if project.is_dir() {
            let source = corpus::source(Kind::Other("plain".to_owned()), corpus::folder(&project));
            files += source.files.len();
            scan(&source, &mut alarms);
        }
    }
    assert!(files > 0, "no files were read");
    assert_eq!(alarms, vec![], "of {files} files");
}

#[test]
fn the_excerpt_keeps_four_characters_and_the_place_is_exact() {
    let token = ["gh", "p_", &letters(36)].concat();
    let findings = found("a.yaml", &format!("x: 1\nkéy: {token} # {token}\n"));
    let place =
        Place { line: 2, column: 6, excerpt: format!("kéy: {0}… # {0}…", ["gh", "p_"].concat()), length: 5 };
    assert_eq!(findings[0].place, Some(Place { excerpt: "kéy: ghp_… # ghp_…".to_owned(), ..place }));
    assert_eq!(findings[1].place.as_ref().unwrap().column, 6 + 40 + 3);
}

#[test]
fn a_long_line_is_shortened_around_the_secret() {
    let token = ["gh", "p_", &letters(36)].concat();
    let findings = found("a.json", &format!("\"{0} {token} {0} {token}\"", "word ".repeat(2_000)));
    for finding in &findings {
        let excerpt = &finding.place.as_ref().unwrap().excerpt;
        assert!(excerpt.contains("ghp_…") && (80..=160).contains(&excerpt.chars().count()), "{excerpt}");
    }
    assert_eq!(findings.len(), 2);
}

#[test]
fn earlier_findings_do_not_show_what_they_quoted() {
    let token = ["gh", "p_", &letters(36)].concat();
    let text = format!("ok: 1\nkye: {token}\n");
    let at = text.find("kye").unwrap();
    let quoted = |path: &str| {
        Finding::new(Severity::Warning, "unknown-key", path, format!("`kye` holds `{}`", &token[..30]))
            .hint(format!("remove {token}"))
            .at(&text, at..at + 3)
    };
    let mut findings = vec![quoted("agents/test/a.yaml"), quoted("agents/other/a.yaml")];
    scan(&corpus::written(Kind::Native, &[("a.yaml", &text)]), &mut findings);
    assert!(!format!("{:?}", findings[0]).contains(&token[..12]), "{:?}", findings[0]);
    assert_eq!(findings[0].place.as_ref().unwrap().excerpt, "kye: ghp_…");
    assert_eq!(
        (findings[0].message.as_str(), findings[0].hint.as_deref()),
        ("`kye` holds `ghp_…`", Some("remove ghp_…"))
    );
    assert_eq!(findings[1], quoted("agents/other/a.yaml"));
}

#[test]
fn a_marker_on_the_line_or_the_one_before_silences_it_except_in_json() {
    let token = ["gh", "p_", &letters(36)].concat();
    assert_eq!(found("a.yaml", &format!("a: {token} # {ALLOW}\n")), vec![]);
    assert_eq!(found("a.yaml", &format!("a: | # {ALLOW}\n  {token}\n")), vec![]);
    assert_eq!(found("a.yaml", &format!("a: {token} # {ALLOW}\nb: 1\nc: {token}\n")).len(), 1);
    let json = found("a.json", &format!("{{\"a\": \"{token} {ALLOW}\"}}"));
    assert_eq!(json.len(), 1);
    assert!(!json[0].hint.as_ref().unwrap().contains(ALLOW));
}

#[test]
fn many_secrets_in_a_file_are_counted() {
    let text = format!("a: gh{}_{}\n", "p", letters(36)).repeat(50);
    let findings = found("a.yaml", &text);
    assert_eq!(findings.len(), MOST_PER_FILE + 1);
    assert!(findings.iter().any(|finding| finding.message.starts_with("30 more")));
}

#[test]
fn included_and_badly_encoded_files_are_read_and_binary_ones_are_not() {
    let token = ["gh", "p_", &letters(36)].concat();
    let mut source = corpus::written(Kind::Native, &[("a.bin", &format!("\0{token}")), ("b.txt", "x")]);
    source.included.insert("prompts/x.md".to_owned(), source.files["b.txt"].clone());
    source.included.get_mut("prompts/x.md").unwrap().content = Content::Bytes(token.clone().into_bytes());
    source.files.get_mut("b.txt").unwrap().content = Content::Bytes([&[0xe9, b' '][..], token.as_bytes()].concat());
    let mut findings = Vec::new();
    scan(&source, &mut findings);
    let paths: Vec<&str> = findings.iter().map(|finding| finding.path.as_str()).collect();
    assert_eq!(paths, ["agents/test/b.txt", "prompts/x.md"]);
}

#[test]
fn a_large_hostile_file_takes_linear_time() {
    let pieces = [
        "sk-",
        "sk_",
        "eyJ",
        "eyJa.",
        "://a:",
        "api_key: ",
        "token",
        "Bearer a",
        "-----BEGIN PRIVATE KEY-----",
        "AccountKey=",
        "SG.",
        "a",
        "password=\"",
        "AKIA",
        "xoxb-",
    ];
    for piece in pieces {
        let time = |size: usize| {
            let text = piece.repeat(size / piece.len());
            let started = std::time::Instant::now();
            found("a.txt", &text);
            started.elapsed()
        };
        let (small, large) = (time(20_000), time(200_000));
        println!("{piece:?} {small:?} {large:?}");
        // Ten times the text; quadratic work would take a hundred times as long.
        assert!(large < small * 40 + std::time::Duration::from_millis(200), "{piece}: {small:?}, then {large:?}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_survived(text in "(\\PC|\n|sk-|ghp_|eyJ|Bearer |Basic |://|password: ?|token=|\"|-----BEGIN PRIVATE KEY-----|AC[0-9a-f]{32}|AKIA[A-Z2-7]{16}|[A-Za-z0-9]{30,50}|é|\\\\n){0,40}") {
        for path in ["a.json", "a.yaml"] {
            let findings = found(path, &text);
            proptest::prop_assert!(findings.iter().all(|finding| finding.place.is_some()));
        }
        mask(&text);
    }
}

#[test]
fn tokens_behind_escapes_are_found_where_they_stand() {
    let escaped = |text: &str| text.chars().map(|c| format!("\\u{:04X}", u32::from(c))).collect::<String>();
    for token in [["AKI", "A", &upper(16)].concat(), ["s", "k-ant-api03-", &letters(60)].concat()] {
        let half = escaped(&token[..6]) + &token[6..];
        for hidden in [escaped(&token), half] {
            let text = format!("{{\n  \"note\": \"öffnen\",\n  \"header\": \"{hidden}\"\n}}\n");
            let findings = found("notes.json", &text);
            assert_eq!(findings.len(), 1, "{text}");
            let place = findings[0].place.as_ref().unwrap();
            assert_eq!((place.line, place.column), (3, 14), "{text}");
            assert!(!format!("{findings:?}").contains(&hidden[12..]), "{findings:?}");
            let start = text.find(&hidden).unwrap();
            assert_eq!(refused("notes.json", &text).first(), Some(&(start..start + hidden.len())));
        }
    }
    let key = escaped("api_key");
    assert_eq!(found("notes.json", &format!("{{\"{key}\": \"{}\"}}", letters(32))).len(), 1);
    // Escapes that hide nothing, end early, or stand for what would end the string.
    for quiet in [r#"{"a": "\u0041\u004"}"#, r#"{"a": "\u0022\u005c"}"#, "\\u00", r#"{"a": "caf\u00e9 \u0041b"}"#] {
        assert_eq!(found("notes.json", quiet).len(), 0, "{quiet}");
    }
}
