use super::super::{Document, Format, parse};
use super::*;

fn read(text: &str) -> Document {
    parse(Format::Yaml, text).unwrap_or_else(|error| panic!("{text:?}: {error:?}"))
}

fn json(text: &str) -> serde_json::Value {
    read(text).root().to_json()
}

fn error(text: &str) -> SyntaxError {
    parse(Format::Yaml, text).unwrap_err()
}

#[test]
fn scalars_follow_the_core_schema() {
    for (text, expected) in [
        ("yes", serde_json::json!("yes")),
        ("True", serde_json::json!(true)),
        ("~", serde_json::json!(null)),
        ("12:30", serde_json::json!("12:30")),
        ("0o17", serde_json::json!(15)),
        ("0xFF", serde_json::json!(255)),
        ("-1.5e3", serde_json::json!(-1500)),
        (".5", serde_json::json!(0.5)),
        ("5.", serde_json::json!(5)),
        ("1e", serde_json::json!("1e")),
        ("+", serde_json::json!("+")),
        ("1_000", serde_json::json!("1_000")),
        ("'12'", serde_json::json!("12")),
        ("!!str 12", serde_json::json!("12")),
        ("!!int \"12\"", serde_json::json!(12)),
        ("! 12", serde_json::json!("12")),
        ("2026-11-22", serde_json::json!("2026-11-22")),
        (".nan", serde_json::json!(".nan")),
        ("-.inf", serde_json::json!("-.inf")),
        ("", serde_json::json!(null)),
        ("# only a comment\n", serde_json::json!(null)),
    ] {
        assert_eq!(json(text), expected, "{text:?}");
    }
}

#[test]
fn what_would_be_lost_is_told() {
    for (text, code) in [
        ("number: +442071234567", "lost-plus"),
        ("code: 0123", "lost-zero"),
        ("account: 12345678901234567890", "inexact-number"),
        ("limit: .inf", "inexact-number"),
        ("key: !vault abc", "yaml-tag"),
        ("key: !vault [abc]", "yaml-tag"),
    ] {
        let remarks = read(text).remarks;
        assert_eq!(remarks.iter().map(|remark| remark.code).collect::<Vec<_>>(), [code], "{text:?}");
    }
    assert_eq!(json("account: 12345678901234567890"), serde_json::json!({"account": "12345678901234567890"}));
    assert!(read("a: 1\nb: \"+442071234567\"\nc: 0\nd: +1").remarks.is_empty());
}

#[test]
fn remarks_stop_after_twenty() {
    let remarks = read(&"- +442071234567\n".repeat(50)).remarks;
    assert_eq!(remarks.len(), 20);
    assert!(remarks[19].message.ends_with("(and 30 more like this in the file)"));
}

#[test]
fn values_know_their_bytes() {
    let text = "\u{feff}greeting: \"Grüß Gott\"\r\nlist:\r\n  - é\r\n  - second item\r\nafter: 1\r\n";
    let document = read(text);
    let root = document.root();
    assert_eq!(&text[root.get("greeting").unwrap().span.clone()], "\"Grüß Gott\"");
    assert_eq!(&text[root.get("list").unwrap().items()[1].span.clone()], "second item");
    assert_eq!(&text[root.entry("after").unwrap().key_span.clone()], "after");
    assert!(text[root.get("list").unwrap().span.clone()].ends_with("second item"));
}

#[test]
fn block_scalars_lose_carriage_returns_as_yaml_says() {
    assert_eq!(json("a: |\r\n  one\r\n  two\r\nb: 1\r\n"), serde_json::json!({"a": "one\ntwo\n", "b": 1}));
}

#[test]
fn keys_are_texts_and_unique() {
    assert_eq!(json("1: a\ntrue: b\n~: c\n1.0: d"), serde_json::json!({"1": "a", "true": "b", "~": "c", "1.0": "d"}));
    assert_eq!(error("a: 1\nb: 2\na: 3").span, 10..11);
    assert!(error("{1: a, \"1\": b}").message.contains("twice"));
    assert!(error("? [a, b]\n: c").message.contains("cannot be a key"));
}

#[test]
fn aliases_and_merge_keys_expand() {
    let text =
        "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\none:\n  <<: *base\n  b: 9\ntwo:\n  <<: [*more, *base]\n";
    let value = json(text);
    assert_eq!(value["one"], serde_json::json!({"a": 1, "b": 9}));
    assert_eq!(value["two"], serde_json::json!({"a": 1, "b": 3, "c": 4}));
    assert_eq!(json("- &k name\n- {*k : 1}"), serde_json::json!(["name", {"name": 1}]));
    assert_eq!(json("'<<': 1"), serde_json::json!({"<<": 1}));
    assert!(error("<<: 1").message.contains("merges a mapping"));
}

#[test]
fn an_alias_bomb_is_an_error() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let item = format!("*a{}, ", level - 1);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", item.repeat(9)));
    }
    assert!(error(&text).message.contains("expand"));
    let long = format!("a: &a {}\nb: [{}]", "x".repeat(10_000), "*a, ".repeat(1_000));
    assert!(error(&long).message.contains("expand"));
    assert!(error("a: &a [*a]").message.contains("inside the value"));
    assert!(parse(Format::Yaml, "a: *nobody").is_err());
}

#[test]
fn aliases_do_not_dig_past_the_depth_limit() {
    let mut text = format!("a0: &a0 {}1{}\n", "[".repeat(60), "]".repeat(60));
    for level in 1..4 {
        text.push_str(&format!("a{level}: &a{level} {}*a{}{}\n", "[".repeat(60), level - 1, "]".repeat(60)));
    }
    assert!(error(&text).message.contains("128 deep"));
}

#[test]
fn deep_nesting_is_refused() {
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000), "? ".repeat(100_000)] {
        assert!(parse(Format::Yaml, &text).is_err());
    }
}

#[test]
fn several_documents_are_several_roots() {
    let document = read("---\na: 1\n---\n- b\n...\n");
    assert_eq!(
        document.roots.iter().map(Node::to_json).collect::<Vec<_>>(),
        [serde_json::json!({"a": 1}), serde_json::json!(["b"])]
    );
}

#[test]
fn a_tab_in_the_indent_gets_a_hint() {
    let error = error("a:\n\tb: 1\n");
    assert!(error.hint.is_some_and(|hint| hint.contains("tabs")));
}

#[test]
fn large_hostile_files_take_no_more_than_linear_time() {
    for text in [
        "- \"a\": {b: [c, d]}\n".repeat(20_000),
        "a".repeat(1_000_000),
        "\"".repeat(300_000),
        "&a ".repeat(200_000),
        "!t ".repeat(200_000),
        "- é\n".repeat(100_000),
        "a: b: ".repeat(100_000),
        "{".repeat(200) + &"a,".repeat(200_000),
        "# comment\n".repeat(100_000),
        "? a\n".repeat(100_000),
        format!("a: |\n{}", "  x\n".repeat(200_000)),
        format!("a: >\n{}", "\n".repeat(500_000)),
        "---\n".repeat(100_000),
        "\t".repeat(500_000),
        "a:\n ".repeat(100_000),
    ] {
        let started = std::time::Instant::now();
        let _ = parse(Format::Yaml, &text);
        let took = started.elapsed();
        assert!(took.as_secs() < 10, "{:?}… took {took:?}", &text[..20]);
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in "[-?:,\\[\\]{}#&*!|>'\"%@` \t\r\nab<0+.é~]{0,60}") {
        let _ = parse(Format::Yaml, &text);
    }
}
