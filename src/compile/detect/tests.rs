use super::*;
use crate::compile::corpus;

fn kind(paths: &[&str]) -> &'static str {
    detect(paths.iter().copied()).expect("some paths").kind
}

fn proposals(paths: &[&str]) -> Vec<(String, &'static str, String)> {
    propose(paths.iter().copied())
        .into_iter()
        .map(|proposal| (proposal.folder, proposal.detected.kind, proposal.id.to_string()))
        .collect()
}

fn row(folder: &str, kind: &'static str, id: &str) -> (String, &'static str, String) {
    (folder.to_owned(), kind, id.to_owned())
}

#[test]
fn each_layout_has_its_word() {
    for (paths, word) in [
        (&["agent.toml", "project.yaml", "agent_settings/role.yaml"][..], "native"),
        (&["project.yaml", "agent_settings/role.yaml"], "polyai"),
        (&["agents.json", "agent_configs/a.json"], "elevenlabs"),
        (&["app.json", "agents/root/instruction.txt"], "cx-agent-studio"),
        (&["agent.json", "flows/Default Start Flow/Default Start Flow.json"], "dialogflow-cx"),
        (&["domain.yml", "config.yml"], "rasa"),
        (&["domain/shared.yml", "config.yml"], "rasa"),
        (&["Manifest.json", "Bot/BotLocales/en_GB/BotLocale.json"], "lex"),
        (&["botcomponents/a/data"], "copilot-studio"),
        (&["resources/acme/assistants/a.md"], "vapi"),
        (&["agents/a/agent.json", "workspaces.json"], "retell"),
        (&["genAiPlannerBundles/a/a.xml"], "agentforce"),
        (&["aiAuthoringBundles/a/a.agent"], "agentforce"),
        (&["support.af"], "letta"),
        (&["locale/en-us/time.intent"], "ovos"),
        (&["locale/en/messages.json"], "plain"),
        (&["agents.json", "README.md"], "plain"),
        (&[".af"], "plain"),
    ] {
        assert_eq!(kind(paths), word, "{paths:?}");
    }
    assert_eq!(detect([]), None);
}

#[test]
fn real_projects_are_recognised() {
    for (project, word) in [
        ("polyai-adk-project", "polyai"),
        ("elevenlabs-cli-multi-env", "elevenlabs"),
        ("elevenlabs-hey-jarvis", "plain"),
        ("dialogflow-cx-data-collection", "dialogflow-cx"),
        ("rasa-calm-voice", "rasa"),
        ("lex-v2-airline", "lex"),
        ("copilot-studio-account-lookup", "copilot-studio"),
        ("ovos-skill-date-time", "ovos"),
        ("google-cx-agent-studio-support", "plain"),
        ("letta-agent-files", "plain"),
    ] {
        let Some(files) = corpus::project(project) else { return };
        let found = detect(files.keys().map(String::as_str)).expect("the project has files");
        assert_eq!(found.kind, word, "{project}: {}", found.why);
    }
}

#[test]
fn agents_below_the_root_of_real_projects_are_proposed() {
    let of = |project| {
        let files = corpus::project(project)?;
        let paths: Vec<&str> = files.keys().map(String::as_str).collect();
        Some(proposals(&paths))
    };
    let (Some(studio), Some(letta), Some(rasa), Some(jarvis)) = (
        of("google-cx-agent-studio-support"),
        of("letta-agent-files"),
        of("rasa-calm-voice"),
        of("elevenlabs-hey-jarvis"),
    ) else {
        return;
    };
    assert_eq!(studio, [row("cxas_app/Sample_Support_Agent", "cx-agent-studio", "cxas_app/sample_support_agent")]);
    let folders: Vec<&str> = letta.iter().map(|(folder, ..)| folder.as_str()).collect();
    assert_eq!(
        folders,
        ["agents/@letta-ai/loop", "customer_service_agent", "deep_research_agent", "memgpt_agent", "workflow_agent"]
    );
    assert_eq!(letta[0].2, "letta-ai/loop");
    assert_eq!(rasa, [row("", "rasa", "agent")]);
    assert_eq!(jarvis, []);
}

#[test]
fn native_agents_come_first_and_win_over_a_mark_above_them() {
    assert_eq!(
        proposals(&[
            "locale/en/welcome.dialog",
            "agents/support/agent.toml",
            "agents/support/agents/x/agent.toml",
            "bots/booking/project.yaml",
            "bots/booking/agent_settings/role.yaml",
            "bots/booking/flows/a.af",
        ]),
        [row("agents/support", "native", "support"), row("bots/booking", "polyai", "bots/booking")]
    );
}

#[test]
fn suggested_ids_always_fit() {
    assert_eq!(
        proposals(&["My Bot/agent.toml", "my-bot/agent.toml", "v7/agent.toml", "ünder/agent.toml", "日本/agent.toml"])
            .into_iter()
            .map(|(.., id)| id)
            .collect::<Vec<_>>(),
        ["my-bot", "my-bot-2", "agent-v7", "nder", "agent"]
    );
    assert_eq!(
        proposals(&["agents/a/agent.toml", "a/b/agent.toml", "c/d/agent.toml", "agents/c/agent.toml"])
            .into_iter()
            .map(|(.., id)| id)
            .collect::<Vec<_>>(),
        ["a/b", "a-2", "c", "c-d"]
    );
    let deep = format!("{}agent.toml", "a-rather-long-name/".repeat(9));
    assert_eq!(proposals(&[&deep])[0].2, "a-rather-long-name");
}

proptest::proptest! {
    #[test]
    fn any_paths_are_survived(paths in proptest::collection::vec("([a-zA-Z0-9._ é-]{0,4}|agent.toml|v1|x.json)(/[A-Z.v0-9-]{0,3}){0,3}(/agent.toml)?", 0..20)) {
        let _ = detect(paths.iter().map(String::as_str));
        propose(paths.iter().map(String::as_str));
    }
}
