//! Whether the graph of a workflow holds together, and what it names is there.

use std::collections::HashMap;

use super::folder::Step::{Item, Key};
use super::folder::{Folder, Read};
use super::references::Teller;
use super::section::{Graph, Workflow};
use crate::compile::Severity;

/// Checks the graph of `folder`, if it has one.
pub(super) fn check(folder: &Folder<'_>, teller: &mut Teller<'_>) {
    let Some(graph) = &folder.graph else { return };
    let mut places = HashMap::new();
    for (index, node) in graph.value.nodes.iter().enumerate() {
        if places.insert(node.id.as_str(), index).is_some() {
            let message = format!("two nodes are called `{}`", node.id);
            let way = [Key("nodes"), Item(index), Key("id")];
            teller.tell(Severity::Error, "duplicate-name", graph, &way, message, "rename one of them");
        }
    }
    let ids = || graph.value.nodes.iter().map(|node| node.id.as_str());
    if !places.contains_key(graph.value.start.as_str()) {
        teller.dangling(graph, &[Key("start")], "node", &graph.value.start, ids());
    }
    for (index, node) in graph.value.nodes.iter().enumerate() {
        let way = |list, item| [Key("nodes"), Item(index), Key(list), Item(item)];
        for (item, transition) in node.transitions.iter().enumerate() {
            if !places.contains_key(transition.to.as_str()) {
                let [nodes, node, list, item] = way("transitions", item);
                teller.dangling(graph, &[nodes, node, list, item, Key("to")], "node", &transition.to, ids());
            }
        }
        for (item, skill) in node.skills.iter().enumerate().filter(|(_, skill)| !folder.has("skills", skill)) {
            teller.dangling(graph, &way("skills", item), "skill", skill, folder.names_in("skills"));
        }
        for (item, article) in node.knowledge.iter().enumerate().filter(|(_, name)| !folder.has("knowledge", name)) {
            teller.dangling(graph, &way("knowledge", item), "article", article, folder.names_in("knowledge"));
        }
    }
    check_ways(graph, &places, teller);
    check_skills_offered(folder, graph, teller);
}

/// Every node should be reachable, and lead on or end.
fn check_ways(graph: &Read<'_, Graph>, places: &HashMap<&str, usize>, teller: &mut Teller<'_>) {
    let nodes = &graph.value.nodes;
    let mut reached = vec![false; nodes.len()];
    let mut open: Vec<usize> = places.get(graph.value.start.as_str()).copied().into_iter().collect();
    // Without a start nothing is reachable, and that has been said.
    let started = !open.is_empty();
    while let Some(index) = open.pop() {
        let Some(false) = reached.get(index) else { continue };
        reached[index] = true;
        open.extend(nodes[index].transitions.iter().filter_map(|way| places.get(way.to.as_str())));
    }
    for (index, node) in nodes.iter().enumerate() {
        let way = [Key("nodes"), Item(index), Key("id")];
        if started && !reached[index] {
            let message = format!("no way leads to the node `{}`", node.id);
            teller.tell(Severity::Warning, "unreachable", graph, &way, message, "add a transition to it, or remove it");
        } else if !node.end && node.transitions.is_empty() {
            let message = format!("the node `{}` neither leads on nor ends the conversation", node.id);
            teller.tell(Severity::Warning, "dead-end", graph, &way, message, "add a transition, or `end = true`");
        } else if node.end && !node.transitions.is_empty() {
            let message = format!("the node `{}` ends the conversation, so its transitions are never taken", node.id);
            teller.tell(Severity::Warning, "after-end", graph, &way, message, "remove `end` or the transitions");
        }
    }
}

/// In a workflow of nodes a skill that no node and no playbook names can never be used.
fn check_skills_offered(folder: &Folder<'_>, graph: &Read<'_, Graph>, teller: &mut Teller<'_>) {
    let workflow = folder.agent.as_ref().map(|agent| agent.value.workflow);
    if workflow != Some(Workflow::WorkflowGraph) || folder.incomplete {
        return;
    }
    let in_nodes = graph.value.nodes.iter().flat_map(|node| &node.skills).map(String::as_str);
    let steps = folder.playbooks.iter().flat_map(|playbook| &playbook.value.steps);
    let offered: std::collections::HashSet<_> =
        in_nodes.chain(steps.filter_map(|step| step.skill.as_deref())).collect();
    for skill in folder.skills.iter().filter(|skill| !offered.contains(skill.name)) {
        let message = format!("no node of the graph and no playbook uses the skill `{}`", skill.name);
        teller.tell(
            Severity::Warning,
            "unused-skill",
            skill,
            &[],
            message,
            "name it in a node's `skills`, or remove it",
        );
    }
}
