use std::collections::BTreeSet;

use super::document;
use crate::api::SURFACES;

#[test]
fn every_native_route_is_described() {
    let document = document();
    let native = SURFACES.iter().find(|surface| surface.name == "native").unwrap();
    for route in native.routes {
        let path = format!("{}{}", native.prefix, route.path);
        let operation = &document["paths"][&path][route.method.to_ascii_lowercase()];
        assert!(operation["responses"]["200"].is_object() || operation["responses"]["201"].is_object(), "{path}");
    }
}

#[test]
fn what_is_referred_to_is_there_and_nothing_else() {
    let document = document();
    let text = document.to_string();
    let mut referred = BTreeSet::new();
    for part in text.split("\"$ref\":\"#").skip(1) {
        let pointer = part.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
        referred.insert(pointer.to_owned());
    }
    for kind in ["schemas", "responses"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            assert!(referred.contains(&format!("/components/{kind}/{name}")), "{kind}/{name} is never used");
        }
    }
}

#[test]
fn names_of_operations_are_unique_and_of_schemas_are_ours() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{path}");
        }
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        // Two types of one name would be told apart by a number.
        assert!(!name.ends_with(|c: char| c.is_ascii_digit()), "{name}");
    }
}
