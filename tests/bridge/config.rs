//! What the bridge is told: the environment, the sources' files, and what is said when they are wrong.

use std::path::Path;
use std::time::Duration;

use konektor_bridge::config::{
    self, Admin, Backend, Config, ConfigError, Environment, LogFormat, SearchFirst, Settings, SourceConfig, VARIABLES,
};
use konektor_bridge::deliver::Waits;
use konektor_bridge::servers::Durability;
use konektor_bridge::store::Options;
use secrecy::ExposeSecret;
use tempfile::TempDir;

fn load(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    config::load(&Environment::from_iter(variables.iter().copied()))
}

/// Loads with `toml` as the owner's file.
fn load_with(toml: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let directory = TempDir::new().unwrap();
    let path = written(directory.path(), toml);
    let mut variables = variables.to_vec();
    variables.push(("BRIDGE_CONFIG", &path));
    load(&variables)
}

fn written(directory: &Path, toml: &str) -> String {
    let path = directory.join("bridge.toml");
    std::fs::write(&path, toml).unwrap();
    path.to_str().unwrap().to_owned()
}

fn problems(result: Result<Config, ConfigError>) -> String {
    result.expect_err("this configuration is wrong").to_string()
}

fn source<'a>(config: &'a Config, name: &str) -> &'a SourceConfig {
    config.sources.iter().find(|source| source.name == name).expect("the source is there")
}

#[test]
fn an_empty_environment_gives_the_documented_defaults() {
    let settings = load(&[]).unwrap().settings;
    assert!(settings.api_key.is_none());
    assert_eq!(settings.base_url.as_str(), "https://konektor.id/");
    assert_eq!(settings.listen.to_string(), "0.0.0.0:8080");
    assert!(matches!(settings.admin, Admin::Open(address) if address.to_string() == "127.0.0.1:8081"));
    assert_eq!(settings.admin_url.unwrap().as_str(), "http://127.0.0.1:8081/");
    assert_eq!(settings.backend, Backend::Embedded { data_dir: "./data".into() });
    assert_eq!((settings.log.as_str(), settings.log_format), ("info", LogFormat::Auto));
    assert_eq!((settings.default_region.as_str(), settings.body_limit), ("ID", 4 * 1024 * 1024));
    assert_eq!(settings.shutdown_grace, Duration::from_secs(20));
    assert_eq!((settings.commit_within, settings.search_within), (Duration::from_secs(30), Duration::from_secs(15)));
    assert_eq!(settings.search_first, SearchFirst::InDoubt);
    assert!(settings.public_url.is_none() && settings.trusted_proxies.is_empty());
}

#[test]
fn a_search_may_not_count_before_a_lost_worker_s_lease_has_ended() {
    let waits = |commit: &str, search: &str| {
        load(&[("KONEKTOR_COMMIT_WITHIN", commit), ("KONEKTOR_SEARCH_WITHIN", search)]).map(|config| {
            let Settings { commit_within: commit, search_within: search, .. } = config.settings;
            Waits { commit, search }.quiet()
        })
    };
    assert!(waits("10s", "14s").unwrap_err().to_string().contains("less than 25s together"));
    assert!(waits("10s", "15s").unwrap() >= Options::default().lease);
    assert!(waits("9s", "1m").unwrap_err().to_string().contains("shorter than 10s"));
    assert!(waits("30s", "2h").unwrap_err().to_string().contains("longer than 1h"));
    assert_eq!(waits("30s", "15m").unwrap(), Duration::from_secs(935));
}

#[test]
fn the_table_has_the_variables_of_the_contract() {
    let contract = [
        ("KONEKTOR_API_KEY", None),
        ("KONEKTOR_BASE_URL", Some("https://konektor.id")),
        ("KONEKTOR_COMMIT_WITHIN", Some("30s")),
        ("KONEKTOR_SEARCH_WITHIN", Some("15s")),
        ("KONEKTOR_SEARCH_FIRST", Some("in_doubt")),
        ("BRIDGE_ALLOW_INSECURE_UPSTREAM", Some("false")),
        ("BRIDGE_LISTEN", Some("0.0.0.0:8080")),
        ("BRIDGE_ADMIN_LISTEN", Some("127.0.0.1:8081")),
        ("BRIDGE_ADMIN_TOKEN", None),
        ("BRIDGE_ADMIN_URL", None),
        ("BRIDGE_DATA_DIR", Some("./data")),
        ("REDIS_URL", None),
        ("REDIS_PREFIX", Some("bridge")),
        ("REDIS_DURABILITY", Some("fsync")),
        ("BRIDGE_CONFIG", None),
        ("BRIDGE_PUBLIC_URL", None),
        ("BRIDGE_TRUSTED_PROXIES", None),
        ("BRIDGE_DEFAULT_REGION", Some("ID")),
        ("BRIDGE_LOG", Some("info")),
        ("BRIDGE_LOG_FORMAT", Some("auto")),
        ("BRIDGE_BODY_LIMIT", Some("4MiB")),
        ("BRIDGE_SHUTDOWN_GRACE", Some("20s")),
    ];
    let table: Vec<_> = VARIABLES.iter().map(|variable| (variable.name, variable.default)).collect();
    assert_eq!(table, contract);
    let secrets: Vec<_> = VARIABLES.iter().filter(|variable| variable.secret).map(|variable| variable.name).collect();
    assert_eq!(secrets, ["KONEKTOR_API_KEY", "BRIDGE_ADMIN_TOKEN", "REDIS_URL"]);
}

#[test]
fn the_readme_has_the_same_variables() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for variable in VARIABLES {
        for word in [Some(variable.name), variable.default].into_iter().flatten() {
            assert!(
                readme.contains(&format!("`{word}`")) || readme.contains(&format!("{}={word}", variable.name)),
                "{word}"
            );
        }
    }
    let words = readme.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
    for word in words.filter(|word| word.starts_with("BRIDGE_")) {
        assert!(VARIABLES.iter().any(|variable| variable.name == word), "{word}");
    }
}

#[test]
fn every_wrong_variable_is_named_with_what_is_allowed() {
    let wrong = [
        ("KONEKTOR_BASE_URL", "http://konektor.id", "https"),
        ("BRIDGE_ALLOW_INSECURE_UPSTREAM", "yes", "true nor false"),
        ("BRIDGE_LISTEN", "8080", "0.0.0.0:8080"),
        ("BRIDGE_ADMIN_LISTEN", "localhost", "127.0.0.1:8081"),
        ("BRIDGE_ADMIN_URL", "ftp://x", "http"),
        ("BRIDGE_PUBLIC_URL", "leads.example.com", "https://"),
        ("BRIDGE_TRUSTED_PROXIES", "proxy", "10.0.0.0/8"),
        ("BRIDGE_DEFAULT_REGION", "Indonesia", "ID, MY"),
        ("BRIDGE_LOG", "konektor_bridge=loud", "info"),
        ("BRIDGE_LOG_FORMAT", "xml", "auto, text, json"),
        ("BRIDGE_BODY_LIMIT", "1GiB", "64MiB"),
        ("BRIDGE_SHUTDOWN_GRACE", "11m", "10m"),
        ("REDIS_URL", "redis://user:geheim@host1,host2", "names several hosts"),
        ("REDIS_PREFIX", "a:b", "letters, digits"),
        ("REDIS_DURABILITY", "always", "none of fsync"),
        ("BRIDGE_CONFIG", "/nowhere/bridge.toml", "/nowhere/bridge.toml"),
    ];
    let variables: Vec<_> = wrong.iter().map(|(name, value, _)| (*name, *value)).collect();
    let text = problems(load(&variables));
    for (name, _, allowed) in wrong {
        let line = text.lines().find(|line| line.starts_with(&format!("{name}: ")));
        assert!(line.is_some_and(|line| line.contains(allowed)), "{name}: {text}");
    }
    assert!(!text.contains("geheim"), "{text}");
}

#[test]
fn a_redis_url_moves_everything_to_redis_and_is_not_printed() {
    let url = "redis+sentinel://bridge:geheim@a,b/mymaster";
    let config = load(&[("REDIS_URL", url), ("REDIS_DURABILITY", "replicated:1")]).unwrap();
    assert!(!format!("{config:?}").contains("geheim"));
    let Backend::Redis(redis) = config.settings.backend else { panic!("it is set") };
    assert_eq!(redis.url.to_string(), "redis+sentinel://a:26379,b:26379/mymaster/0");
    assert_eq!((redis.prefix.as_str(), redis.durability), ("bridge", Durability::Replicated(1)));
    assert!(problems(load(&[("REDIS_URL", "http://:geheim@host")])).contains("none of redis://"));
}

#[test]
fn an_admin_listener_that_strangers_reach_needs_a_token() {
    let text = problems(load(&[("BRIDGE_ADMIN_LISTEN", "0.0.0.0:8081")]));
    assert!(text.starts_with("BRIDGE_ADMIN_TOKEN: "), "{text}");
    let with = |listen, token| load(&[("BRIDGE_ADMIN_LISTEN", listen), ("BRIDGE_ADMIN_TOKEN", token)]);
    let text = problems(with("0.0.0.0:8081", "0123456789abcde"));
    assert!(text.contains("fewer than 16 characters") && !text.contains("abcde"), "{text}");
    assert!(matches!(with("[::1]:8081", "t").unwrap().settings.admin, Admin::Guarded(..)));
    let settings = with("0.0.0.0:8081", "0123456789abcdef").unwrap().settings;
    assert!(matches!(settings.admin, Admin::Guarded(_, token) if token.expose_secret() == "0123456789abcdef"));
    assert_eq!(settings.admin_url.unwrap().as_str(), "http://127.0.0.1:8081/");
    assert!(matches!(load(&[("BRIDGE_ADMIN_LISTEN", "off")]).unwrap().settings.admin, Admin::Off));
}

#[test]
fn a_key_may_come_from_a_file_and_is_never_printed() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("key");
    std::fs::write(&path, "kk_geheim\n").unwrap();
    let config = load(&[("KONEKTOR_API_KEY_FILE", path.to_str().unwrap()), ("META_APP_SECRET", "geheim")]).unwrap();
    assert_eq!(config.settings.api_key.as_ref().unwrap().expose_secret(), "kk_geheim");
    assert!(config.files.paths().any(|read| read == path));
    assert!(!format!("{config:?}").contains("geheim"));
}

#[test]
fn a_built_in_source_is_complete_when_its_variables_are_set() {
    let config = load(&[("META_APP_SECRET", "a"), ("META_VERIFY_TOKEN", "b"), ("META_ACCESS_TOKEN", "c")]).unwrap();
    let meta = source(&config, "meta");
    assert_eq!((meta.provider.as_str(), meta.missing.len()), ("meta_leads", 0));
    assert_eq!(meta.settings["graph_url"].as_str(), Some("https://graph.facebook.com"));
    let form = source(&config, "form");
    assert_eq!(form.unset, ["FORM_ALLOWED_ORIGINS", "FORM_SECRET", "FORM_CAPTCHA_SECRET"]);
    let whatsapp = source(&config, "whatsapp");
    assert_eq!(whatsapp.missing, ["WHATSAPP_APP_SECRET", "WHATSAPP_VERIFY_TOKEN"]);
}

#[test]
fn the_built_in_sources_read_the_variables_of_the_contract() {
    let variables = config::built_in_variables();
    let is_preset = |source: &str| config::PRESETS.iter().any(|(name, _)| *name == source);
    let (presets, others): (Vec<_>, Vec<_>) = variables.iter().partition(|variable| is_preset(&variable.source));
    let names: Vec<_> = others.iter().map(|variable| variable.name.as_str()).collect();
    for variable in presets {
        let begins = format!("{}_", variable.source.to_uppercase());
        assert!(variable.name.starts_with(&begins), "{} is not called {begins}…", variable.name);
    }
    assert_eq!(
        names,
        [
            "FORM_ALLOWED_ORIGINS",
            "FORM_SECRET",
            "FORM_CAPTCHA",
            "FORM_CAPTCHA_SECRET",
            "META_APP_SECRET",
            "META_VERIFY_TOKEN",
            "META_ACCESS_TOKEN",
            "META_PAGE_ID",
            "META_GRAPH_URL",
            "WHATSAPP_APP_SECRET",
            "WHATSAPP_VERIFY_TOKEN",
            "GOOGLE_LEADS_KEY",
            "TIKTOK_APP_SECRET",
            "LINKEDIN_CLIENT_SECRET",
            "LINKEDIN_ACCESS_TOKEN",
            "LINKEDIN_TOKEN_EXPIRES",
            "LINKEDIN_OWNER",
            "LINKEDIN_API_URL",
            "KONEKTOR_WEBHOOK_SECRET",
            "STANDARD_WEBHOOKS_SECRET",
        ]
    );
    let graph = variables.iter().find(|variable| variable.name == "META_GRAPH_URL").unwrap();
    assert_eq!((graph.required, graph.default.as_deref()), (false, Some("https://graph.facebook.com")));
}

#[test]
fn the_owners_file_is_laid_over_the_built_in_one_key_by_key() {
    let config = load_with(
        "[sources.google.rules]\nstatus = 'contacted'\n\
         [sources.standard]\nprovider = 'form'\n\
         [sources.shop]\nprovider = 'form'\nsettings.secret = 'env:SHOP'\n\
         [sources.whatsapp]\nenabled = false\n",
        &[("GOOGLE_LEADS_KEY", "k"), ("SHOP", "s")],
    )
    .unwrap();
    let google = source(&config, "google");
    assert_eq!((google.settings["key"].as_str(), google.rules["status"].as_str()), (Some("k"), Some("contacted")));
    assert!(google.origin.to_string().ends_with("bridge.toml:1"), "{}", google.origin);
    assert!(source(&config, "standard").settings.is_empty(), "another provider is another source");
    assert_eq!(source(&config, "shop").settings["secret"].as_str(), Some("s"));
    assert!(!source(&config, "whatsapp").enabled && source(&config, "whatsapp").missing.is_empty());
    assert!(source(&config, "meta").enabled);
}

#[test]
fn a_misspelt_key_is_shown_with_its_line_and_what_was_meant() {
    let text = problems(load_with("\n[sources.meta]\nprovder = 'x'\n", &[]));
    assert!(text.contains("bridge.toml:3: ") && text.contains("did you mean `provider`?"), "{text}");
    assert!(problems(load_with("[source.meta]\n", &[])).contains("did you mean `sources`?"));
    let new = problems(load_with("[sources.new]\n", &[]));
    assert!(new.contains("source `new` has no provider; add `provider"), "{new}");
    for (name, meant) in [("metta", "meta"), ("typefrom", "typeform"), ("facebook", "meta")] {
        let text = problems(load_with(&format!("\n[sources.{name}.rules]\npriority = 'high'\n"), &[]));
        assert!(text.contains(&format!("source `{name}` has no provider; did you mean `{meant}`?")), "{text}");
    }
}

#[test]
fn what_stands_in_a_broken_file_is_not_repeated() {
    let text = problems(load_with("[sources.meta]\nsettings.app_secret = 'geheim\n", &[]));
    assert!(text.contains("bridge.toml:2: ") && !text.contains("geheim"), "{text}");
}

#[test]
fn a_token_is_not_sent_in_the_clear() {
    let all = [("META_APP_SECRET", "a"), ("META_VERIFY_TOKEN", "b"), ("META_ACCESS_TOKEN", "c")];
    let with = |url, insecure| {
        let more = [("META_GRAPH_URL", url), ("BRIDGE_ALLOW_INSECURE_UPSTREAM", insecure)];
        load(&[&all[..], &more[..]].concat())
    };
    assert!(problems(with("http://graph.example.com", "false")).contains("graph_url is http"));
    assert!(with("http://graph.example.com", "true").is_ok());
    assert!(with("http://127.0.0.1:9000/graph", "false").is_ok());
}

#[test]
fn a_short_verify_token_is_a_warning_and_nothing_is_refused_for_it() {
    let told = |token: &str| load(&[("META_VERIFY_TOKEN", token)]).unwrap().warnings;
    let warned = told("rahasia");
    assert_eq!(warned.len(), 1);
    assert!(warned[0].starts_with("source `meta`: its verify token has fewer than 8 characters"), "{warned:?}");
    assert!(!warned[0].contains("rahasia"), "{warned:?}");
    assert_eq!(told("rahasia!"), [""; 0]);
    let list = "[sources.meta.settings]\nverify_token = ['long-enough', 'short']\n";
    assert_eq!(load_with(list, &[]).unwrap().warnings.len(), 1);
}

#[test]
fn a_misspelt_variable_is_a_warning() {
    let config = load(&[("BRIDGE_BODY_LIMITS", "1MiB")]).unwrap();
    assert_eq!(
        config.warnings,
        ["BRIDGE_BODY_LIMITS is not a variable of the bridge; did you mean BRIDGE_BODY_LIMIT?"]
    );
}
