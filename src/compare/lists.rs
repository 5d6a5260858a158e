//! Lists of a config: by what names their elements where something does, else by content, never by index alone.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::align::{self, align};
use super::fields::{At, Walk};
use super::path::{Path, Step};

/// What names the elements of real lists, the most telling first.
const NAMES: [&str; 6] = ["name", "id", "displayName", "_id", "key", "title"];

/// A text longer than this is content, not a name.
const LONGEST_NAME: usize = 200;

/// How many lists inside one another are aligned by content; further in, elements pair by position.
const ALIGNED_LISTS: usize = 8;

/// Whether every element has a name of its own.
pub(super) fn has_names(list: &[Value]) -> bool {
    !list.is_empty() && naming_key(list, &[]).is_some()
}

/// Compares two lists.
pub(super) fn compare(walk: &mut Walk, path: &Path<'_>, before: &[Value], after: &[Value], at: At) {
    if before.is_empty() && after.is_empty() {
        return;
    }
    match naming_key(before, after) {
        Some(key) => by_name(walk, path, before, after, key, at),
        None if at.aligned < ALIGNED_LISTS => by_content(walk, path, before, after, at),
        None => by_position(walk, path, (before, 0), (after, 0), at),
    }
}

/// The key under which every element of both lists has a name that no other element of its list has.
fn naming_key(before: &[Value], after: &[Value]) -> Option<&'static str> {
    NAMES.into_iter().find(|key| {
        [before, after].into_iter().all(|list| {
            let mut seen = HashSet::new();
            list.iter().all(|element| name(element, key).is_some_and(|name| seen.insert(name)))
        })
    })
}

fn name<'a>(element: &'a Value, key: &str) -> Option<&'a Value> {
    let usable = |name: &&Value| match name {
        Value::String(text) => !text.is_empty() && text.len() <= LONGEST_NAME,
        Value::Number(_) => true,
        _ => false,
    };
    element.as_object()?.get(key).filter(usable)
}

fn by_name(walk: &mut Walk, path: &Path<'_>, before: &[Value], after: &[Value], key: &str, at: At) {
    fn index<'a>(list: &'a [Value], key: &str) -> HashMap<&'a Value, &'a Value> {
        list.iter().filter_map(|element| Some((name(element, key)?, element))).collect()
    }
    let (old, new) = (index(before, key), index(after, key));
    let names = |list: &'_ [Value], there: &HashMap<&Value, &Value>| -> Vec<Value> {
        list.iter().filter_map(|element| name(element, key)).filter(|name| there.contains_key(name)).cloned().collect()
    };
    for element in before {
        if let Some(name) = name(element, key).filter(|name| !new.contains_key(name)) {
            walk.report(&path.then(Step::Named(name)), Some(element), None);
        }
    }
    for element in after {
        if let Some(name) = name(element, key) {
            let path = path.then(Step::Named(name));
            match old.get(name) {
                Some(earlier) => walk.field(&path, Some(earlier), Some(element), at.deeper()),
                None => walk.report(&path, None, Some(element)),
            }
        }
    }
    let (kept_before, kept_after) = (names(before, &new), names(after, &old));
    if kept_before != kept_after {
        report_order(walk, path, kept_before, kept_after);
    }
}

fn by_content(walk: &mut Walk, path: &Path<'_>, before: &[Value], after: &[Value], at: At) {
    let steps = align(before, after);
    if steps.iter().any(|step| matches!(step, align::Step::Replace { .. })) && same_elements(before, after) {
        return report_order(walk, path, before.to_vec(), after.to_vec());
    }
    let within = at.inside_aligned();
    for step in steps {
        if let align::Step::Replace { before: b, after: a } = step {
            by_position(walk, path, (&before[b.clone()], b.start), (&after[a.clone()], a.start), within);
        }
    }
}

fn same_elements(before: &[Value], after: &[Value]) -> bool {
    let mut count: HashMap<&Value, isize> = HashMap::new();
    before.iter().for_each(|element| *count.entry(element).or_default() += 1);
    after.iter().for_each(|element| *count.entry(element).or_default() -= 1);
    count.values().all(|left| *left == 0)
}

fn by_position(walk: &mut Walk, path: &Path<'_>, before: (&[Value], usize), after: (&[Value], usize), at: At) {
    let ((old, old_start), (new, new_start)) = (before, after);
    for position in 0..old.len().max(new.len()) {
        match (old.get(position), new.get(position)) {
            (Some(earlier), None) => {
                walk.report(&path.then(Step::Index(old_start + position)), Some(earlier), None);
            }
            (earlier, later) => {
                walk.field(&path.then(Step::Index(new_start + position)), earlier, later, at.deeper());
            }
        }
    }
}

fn report_order(walk: &mut Walk, path: &Path<'_>, before: Vec<Value>, after: Vec<Value>) {
    walk.report(&path.then(Step::Aspect("order")), Some(&Value::Array(before)), Some(&Value::Array(after)));
}

#[cfg(test)]
mod tests {
    use super::super::fields::{FieldChanges, MOST_CHANGES, fields};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn shown(before: Value, after: Value) -> Vec<String> {
        let show = |value: &Option<Value>| value.as_ref().map_or("-".to_owned(), Value::to_string);
        let FieldChanges { changes, .. } = fields(&before, &after);
        changes.iter().map(|c| format!("{} {} {}", c.field, show(&c.before), show(&c.after))).collect()
    }

    #[test]
    fn elements_are_matched_by_their_name() {
        let before = json!({"tools": [{"name": "a", "url": 1}, {"name": "b", "url": 2}]});
        let after = json!({"tools": [{"name": "c", "url": 3}, {"name": "b", "url": 4}]});
        assert_eq!(
            shown(before, after),
            [r#"tools[a] {"name":"a","url":1} -"#, r#"tools[c] - {"name":"c","url":3}"#, "tools[b].url 2 4"]
        );
    }

    #[test]
    fn the_first_element_of_a_list_is_named_too() {
        assert_eq!(shown(json!({}), json!({"guardrails": [{"name": "x"}]})), [r#"guardrails[x] - {"name":"x"}"#]);
        assert_eq!(shown(json!({}), json!({"guardrails": []})), ["guardrails - []"]);
    }

    #[test]
    fn an_inserted_line_does_not_change_the_ones_after_it() {
        assert_eq!(shown(json!({"goals": ["a", "b"]}), json!({"goals": ["x", "a", "b"]})), [r#"goals[0] - "x""#]);
    }

    #[test]
    fn another_order_is_one_change() {
        assert_eq!(shown(json!(["a", "b", "c"]), json!(["c", "a", "b"])), [r#"[order] ["a","b","c"] ["c","a","b"]"#]);
        assert_eq!(shown(json!([{"id": 1}, {"id": 2}]), json!([{"id": 2}, {"id": 1}])), ["[order] [1,2] [2,1]"]);
    }

    #[test]
    fn json_inside_a_text_is_compared_as_fields() {
        let before = json!({"schema": r#"{"a": {"b": 1}}"#});
        assert_eq!(shown(before.clone(), json!({"schema": r#"{"a":{"b":2}}"#})), ["schema.(json).a.b 1 2"]);
        let respaced = shown(before, json!({"schema": r#"{"a":{"b":1}}"#}));
        assert_eq!(respaced, [r#"schema[formatting] "{\"a\": {\"b\": 1}}" "{\"a\":{\"b\":1}}""#]);
    }

    #[test]
    fn files_are_shown_without_their_wrapping() {
        let config = |model: &str, rules: &str| {
            json!({"format": 1, "kind": "elevenlabs", "files": {
                "agent-config.json": {"format": "json", "value": {"agent": {"prompt": {"llm": model}}}},
                "rules.txt": {"format": "text", "text": rules},
            }})
        };
        assert_eq!(
            shown(config("a", "x"), config("b", "y")),
            [r#"files["agent-config.json"].agent.prompt.llm "a" "b""#, r#"files["rules.txt"] "x" "y""#]
        );
        let mut with_bytes = config("a", "x");
        with_bytes["files"]["logo.png"] = json!({"format": "bytes", "digest": "sha256:00", "size": 3});
        assert_eq!(
            shown(config("a", "x"), with_bytes),
            [r#"files["logo.png"] - {"digest":"sha256:00","format":"bytes","size":3}"#]
        );
    }

    #[test]
    fn numbers_of_one_value_are_equal() {
        assert!(fields(&json!({"a": 1, "b": [1]}), &json!({"a": 1.0, "b": [1.0]})).is_empty());
    }

    #[test]
    fn ten_thousand_changes_are_counted_not_listed() {
        let before: Vec<u32> = (0..10_000).collect();
        let after: Vec<u32> = (20_000..30_000).collect();
        let found = fields(&json!(before), &json!(after));
        assert_eq!((found.changes.len(), found.more), (MOST_CHANGES, 9_000));
    }

    #[test]
    fn deep_lists_end() {
        let deep = |leaf: i32| (0..90).fold(json!([leaf, leaf + 1]), |inner, _| json!([inner]));
        assert_eq!(fields(&deep(1), &deep(5)).changes.len(), 2);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0i64..4).prop_map(Value::from),
            prop_oneof!["[ab]{0,2}", Just("[1, 2]".to_owned()), Just("{\"a\":1}".to_owned())].prop_map(Value::from),
        ];
        let key = prop_oneof![Just("name"), Just("id"), Just("files"), Just("format"), Just("kind"), Just("x y")];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(key.clone(), inner, 0..4).prop_map(|entries| {
                    Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_does_not_differ_from_itself(value in any_json()) {
            prop_assert!(fields(&value, &value).is_empty());
        }

        #[test]
        fn there_are_changes_exactly_where_values_differ(before in any_json(), after in any_json()) {
            prop_assert_eq!(fields(&before, &after).is_empty(), before == after);
        }
    }
}
