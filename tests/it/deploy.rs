//! What is below `deploy/`: systemd, Kubernetes and Compose take it as it is, and the parts name one another rightly.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn deploy(name: &str) -> PathBuf {
    root().join("deploy").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(deploy(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Says that a check is left out, which nobody may do where changes are let in.
fn left_out(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "{reason}");
    eprintln!("left out: {reason}");
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs a program of Debian's package systemd.
fn systemd(program: &str, args: &[&str]) -> Option<Output> {
    let run = Command::new(program).args(args).env("SYSTEMD_COLORS", "0").env("SYSTEMD_PAGER", "").output();
    match run {
        Ok(output) => Some(output),
        Err(error) => {
            left_out(&format!("`{program}` (Debian's package systemd) cannot be started: {error}"));
            None
        }
    }
}

/// The folder of the validators of `.ci/requirements.txt`, installed once where they are missing.
fn validators() -> Option<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let install = || {
        let folder = root().join("target/validators");
        let bin = folder.join("bin");
        if bin.join("check-jsonschema").exists() && bin.join("kubernetes-validate").exists() {
            return Ok(bin);
        }
        let requirements = root().join(".ci/requirements.txt");
        let steps = [
            Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder).output(),
            Command::new(bin.join("pip")).args(["install", "--quiet", "-r"]).arg(requirements).output(),
        ];
        for step in steps {
            match step {
                Ok(output) if output.status.success() => {}
                Ok(output) => return Err(format!("validators cannot be installed: {}", said(&output))),
                Err(error) => return Err(format!("validators cannot be installed: {error}")),
            }
        }
        Ok(bin)
    };
    match FOUND.get_or_init(install) {
        Ok(bin) => Some(bin),
        Err(reason) => {
            left_out(reason);
            None
        }
    }
}

/// The service with the program under test in place of the installed one, in a folder of its own.
fn service() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pointsman.service");
    let unit = text("systemd/pointsman.service");
    assert!(unit.contains("ExecStart=/usr/bin/pointsman serve "));
    std::fs::write(&path, unit.replace("/usr/bin/pointsman", env!("CARGO_BIN_EXE_pointsman"))).unwrap();
    (dir, path.to_str().unwrap().to_owned())
}

#[test]
fn systemd_finds_nothing_to_say_about_the_service() {
    let (_dir, path) = service();
    let Some(output) = systemd("systemd-analyze", &["verify", "--man=no", &path]) else { return };
    // Unknown keys are only told, so the exit code is not enough.
    let about: Vec<_> = said(&output).lines().filter(|line| line.contains("pointsman")).map(str::to_owned).collect();
    assert!(output.status.success() && about.is_empty(), "{}", said(&output));
}

#[test]
fn the_service_is_exposed_no_more_than_the_network_asks_for() {
    let (dir, path) = service();
    let analyze = |path: &str| systemd("systemd-analyze", &["security", "--offline=true", "--threshold=15", path]);
    let Some(output) = analyze(&path) else { return };
    assert!(output.status.success(), "{}", said(&output));
    // The threshold tells apart: one line less, and it is passed.
    let loose = dir.path().join("loose.service");
    let unit = std::fs::read_to_string(&path).unwrap().replace("CapabilityBoundingSet=\n", "");
    std::fs::write(&loose, unit).unwrap();
    assert!(!analyze(loose.to_str().unwrap()).unwrap().status.success());
}

#[test]
fn the_user_of_the_service_is_made_with_the_home_that_it_runs_in() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("etc")).unwrap();
    let root = format!("--root={}", dir.path().display());
    let file = deploy("systemd/pointsman.sysusers");
    let Some(output) = systemd("systemd-sysusers", &[&root, file.to_str().unwrap()]) else { return };
    assert!(output.status.success(), "{}", said(&output));
    let passwd = std::fs::read_to_string(dir.path().join("etc/passwd")).unwrap();
    assert!(passwd.lines().any(|line| line.starts_with("pointsman:") && line.contains(":/var/lib/pointsman:")));
    let unit = text("systemd/pointsman.service");
    assert!(unit.contains("User=pointsman\n") && unit.contains("Environment=HOME=/var/lib/pointsman"));
}

/// The files that `kubectl apply -k` would apply.
fn manifests() -> Vec<String> {
    let text = text("kubernetes/kustomization.yaml");
    let (_, list) = text.split_once("resources:\n").unwrap();
    list.lines().map_while(|line| line.trim().strip_prefix("- ")).map(|name| format!("kubernetes/{name}")).collect()
}

#[test]
fn kubernetes_takes_every_manifest_and_every_manifest_is_applied() {
    let listed = manifests();
    let mut there: Vec<_> =
        std::fs::read_dir(deploy("kubernetes")).unwrap().map(|file| file.unwrap().file_name()).collect();
    there.retain(|name| name != "kustomization.yaml");
    assert_eq!(listed.len(), there.len(), "{listed:?} of {there:?}");
    let Some(bin) = validators() else { return };
    let validate =
        |paths: &[PathBuf]| Command::new(bin.join("kubernetes-validate")).arg("--strict").args(paths).output().unwrap();
    let paths: Vec<_> = listed.iter().map(|name| deploy(name)).collect();
    let output = validate(&paths);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output).matches(" passed for resource ").count(), listed.len(), "{}", said(&output));
    // The validator tells a wrong key and a wrong type.
    let dir = tempfile::tempdir().unwrap();
    for (right, wrong) in [("runAsNonRoot: true", "runAsNoRoot: true"), ("replicas: 1", "replicas: one")] {
        let path = dir.path().join("wrong.yaml");
        std::fs::write(&path, text("kubernetes/deployment.yaml").replace(right, wrong)).unwrap();
        assert!(!validate(&[path]).status.success(), "{wrong} was taken");
    }
}

#[test]
fn compose_takes_its_file() {
    let Some(bin) = validators() else { return };
    let validate = |path: &Path| {
        let mut command = Command::new(bin.join("check-jsonschema"));
        command.args(["--builtin-schema", "vendor.compose-spec"]).arg(path).output().unwrap()
    };
    let output = validate(&deploy("compose.yaml"));
    assert!(output.status.success(), "{}", said(&output));
    let dir = tempfile::tempdir().unwrap();
    let wrong = dir.path().join("compose.yaml");
    std::fs::write(&wrong, text("compose.yaml").replace("read_only: true", "readonly: true")).unwrap();
    assert!(!validate(&wrong).status.success());
}

/// The documents of the YAML file `name`.
fn yaml(name: &str) -> Option<Value> {
    let python = validators()?.join("python");
    let program = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";
    let output = Command::new(python).args(["-c", program]).arg(deploy(name)).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn the_manifests_name_one_another_rightly() {
    let Some(deployment) = yaml("kubernetes/deployment.yaml") else { return };
    let read = |name: &str| yaml(&format!("kubernetes/{name}.yaml")).unwrap();
    let pod = &deployment["spec"]["template"];
    let labels = &pod["metadata"]["labels"];
    assert!(labels.is_object());
    assert_eq!(&deployment["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&read("service")["spec"]["selector"], labels);
    assert_eq!(&read("poddisruptionbudget")["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&read("networkpolicy")["spec"]["podSelector"]["matchLabels"], labels);

    let container = &pod["spec"]["containers"][0];
    let port = &container["ports"][0];
    assert_eq!(port["containerPort"], 7117);
    assert_eq!(read("service")["spec"]["ports"][0]["targetPort"], port["name"]);
    assert_eq!(read("networkpolicy")["spec"]["ingress"][0]["ports"][0]["port"], port["name"]);
    for (probe, path) in [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        assert_eq!(container[probe]["httpGet"]["path"], path);
        assert_eq!(container[probe]["httpGet"]["port"], port["name"]);
    }
    let volumes: Vec<_> = pod["spec"]["volumes"].as_array().unwrap().iter().map(|volume| &volume["name"]).collect();
    for mount in container["volumeMounts"].as_array().unwrap() {
        assert!(volumes.contains(&&mount["name"]), "{mount}");
    }
    let claim =
        pod["spec"]["volumes"].as_array().unwrap().iter().find_map(|it| it.get("persistentVolumeClaim")).unwrap();
    assert_eq!(claim["claimName"], read("pvc")["metadata"]["name"]);

    // What the namespace asks of its pods ("restricted" of the Pod Security Standards), as far as it is said here.
    assert_eq!(read("namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["spec"]["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["capabilities"]["drop"], serde_json::json!(["ALL"]));
}

#[test]
fn the_image_runs_as_the_user_that_the_manifests_say() {
    let dockerfile = text("Dockerfile");
    let last = dockerfile.rsplit_once("\nFROM ").unwrap().1;
    let user = last.lines().find_map(|line| line.strip_prefix("USER ")).unwrap();
    assert!(last.contains(&format!("--uid {} ", user.split(':').next().unwrap())));
    for copied in dockerfile.lines().filter_map(|line| line.strip_prefix("COPY LICENSE-APACHE ")) {
        let files = copied.split(' ').filter(|word| !word.starts_with('/'));
        files.for_each(|file| assert!(root().join(file).is_file(), "{file}"));
    }
    // A build that leaves out what it reads fails far from here.
    let ignored = text("Dockerfile.dockerignore");
    for needed in ["src", "fixtures", "benches", "build.rs", "Cargo.toml", "Cargo.lock"] {
        assert!(root().join(needed).exists() && !ignored.lines().any(|line| line == needed), "{needed}");
    }
    let Some(deployment) = yaml("kubernetes/deployment.yaml") else { return };
    let context = &deployment["spec"]["template"]["spec"]["securityContext"];
    assert_eq!(format!("{}:{}", context["runAsUser"], context["runAsGroup"]), user);
    assert_eq!(context["fsGroup"], context["runAsGroup"]);
}

#[test]
fn every_way_of_running_it_says_the_same() {
    let Some(deployment) = yaml("kubernetes/deployment.yaml") else { return };
    let compose = yaml("compose.yaml").unwrap();
    let words = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let container = words(&deployment["spec"]["template"]["spec"]["containers"][0]["args"]);
    let composed = words(&compose["services"]["pointsman"]["command"]);
    let dockerfile = text("Dockerfile");
    let image = dockerfile.lines().find_map(|line| line.strip_prefix("CMD ")).unwrap();
    let image = words(&serde_json::from_str(image).unwrap()).join(" ").replace("--listen ", "--listen=");
    let image = image.replace("--config ", "--config=").replace("--state ", "--state=");
    assert_eq!(image, container.join(" "));
    let composed: Vec<_> = composed.into_iter().filter(|word| !word.starts_with("--remote=")).collect();
    assert_eq!(composed, container);
    let unit = text("systemd/pointsman.service");
    let paths = ["--config /etc/pointsman/pointsman.toml", "--state /var/lib/pointsman"];
    assert!(paths.iter().all(|path| unit.contains(path) && image.contains(&path.replace(' ', "="))));
}
