//! doc/ says what the code does: each key that is sent stands in doc/protocol.md and each key there is sent,
//! each rule that the code cites stands in doc/design.md, and what doc/ refers to exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bendy::decoding::{Decoder, Object};
use narrows_protocol::announce::keys;
use narrows_protocol::{
    AgentReport, AnnounceEvent, AnnounceRequest, AnnounceResponse, Assignment, Failure, GatewayPreference,
    InfoHash, Networks, Parent, PathRate, PathRates, Peer, PeerId, RetryIn, Role, SeenOffender, Sharing,
    Told, ToldNetworks, ToldRates,
};
use narrows_wire::{ExtendedHandshake, Extensions, Hello};

type Keys = BTreeSet<String>;

/// The keys that the code has constants for.
fn listed(lists: &[&[&str]]) -> Keys {
    lists.concat().into_iter().map(str::to_owned).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The keys in the first column of the table below a heading of doc/protocol.md.
fn documented(heading: &str) -> Keys {
    let text = read("doc/protocol.md");
    let (_, section) = text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let rows =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = rows.skip(1).filter_map(|row| row.split('|').nth(1));
    cells.flat_map(|cell| quoted(cell).map(str::to_owned)).collect()
}

/// The keys of a bencoded dictionary; those of the dictionary at `inside`, if it is named.
fn bencoded(bytes: &[u8], inside: Option<&str>) -> Keys {
    let mut decoder = Decoder::new(bytes);
    let Ok(Some(Object::Dict(mut dict))) = decoder.next_object() else {
        panic!("no dictionary");
    };
    let mut keys = Keys::new();
    while let Some((key, value)) = dict.next_pair().expect("bencode") {
        let key = String::from_utf8_lossy(key).into_owned();
        match value {
            Object::Dict(mut inner) if inside == Some(key.as_str()) => {
                let mut keys = Keys::new();
                while let Some((key, _)) = inner.next_pair().expect("bencode") {
                    keys.insert(String::from_utf8_lossy(key).into_owned());
                }
                return keys;
            }
            _ => keys.insert(key),
        };
    }
    assert!(inside.is_none(), "no {inside:?}");
    keys
}

/// The bencoded dictionary that is inside of another one.
fn dictionary(bytes: &[u8], inside: &str) -> Vec<u8> {
    let mut decoder = Decoder::new(bytes);
    let Ok(Some(Object::Dict(mut dict))) = decoder.next_object() else {
        panic!("no dictionary");
    };
    while let Some((key, value)) = dict.next_pair().expect("bencode") {
        if let (true, Object::Dict(inner)) = (key == inside.as_bytes(), value) {
            return inner.into_raw().expect("bencode").to_vec();
        }
    }
    panic!("no {inside:?}");
}

fn addresses() -> [std::net::SocketAddr; 2] {
    ["10.1.0.1:1", "[2001:db8::1]:1"].map(|text| text.parse().expect("an address"))
}

// Every field is named in these, so that a new one has to be looked at here.

fn request() -> AnnounceRequest {
    let [v4, v6] = addresses();
    AnnounceRequest {
        info_hash: InfoHash([1; 20]),
        peer_id: PeerId([2; 20]),
        port: 6881,
        uploaded: 1,
        downloaded: 1,
        left: 1,
        event: AnnounceEvent::Started,
        compact: true,
        no_peer_id: true,
        numwant: Some(1),
        key: Some(1),
        ip: Some(v4.ip()),
        narrows: Some(AgentReport {
            agent: "a".into(),
            role: Role::Gateway,
            gateway: Some(v4),
            wan: 1,
            reused: 1,
            wanted: true,
            stalled: true,
            restarted: true,
            lost: Some(v6),
            preference: GatewayPreference::Never,
            share: Sharing::Never,
            gone: vec![v4],
            sources: vec![("hq".into(), 1)],
            brought: vec![(v4, 1)],
            metrics: Some(1),
            networks: Some(1),
            rates: Some(1),
            offenders: SeenOffender::new("no_delivery", v4.ip()).into_iter().collect(),
        }),
    }
}

fn reply() -> AnnounceResponse {
    let addresses = addresses().to_vec();
    let network = ipnet::IpNet::from(addresses[0].ip());
    AnnounceResponse {
        interval: 1,
        min_interval: 1,
        complete: 1,
        incomplete: 1,
        downloaded: 1,
        external_ip: Some(addresses[0].ip()),
        peers: addresses
            .iter()
            .map(|addr| Peer {
                addr: *addr,
                peer_id: None,
            })
            .collect(),
        warning: Some("w".into()),
        narrows: Some(Assignment {
            role: Role::Gateway,
            site: "b1".into(),
            gateways: addresses.clone(),
            lease: 1,
            rate: 1,
            paused: true,
            upstream: addresses.clone(),
            again: 1,
            epoch: 1,
            watch: 1,
            dscp: Some(8),
            slow_supply: true,
            stripes: 2,
            parents: vec![Parent {
                site: "hq".into(),
                rate: 1,
                paused: true,
                stripes: vec![0],
                upstreams: addresses,
            }],
            told: Some(Box::new(Told {
                networks: ToldNetworks {
                    version: 1,
                    table: Networks::new([[network]], true).ok().map(Arc::new),
                },
                rates: Some(ToldRates {
                    version: 1,
                    change: 1,
                    table: Some(Arc::new(PathRates::new(
                        [PathRate::Unlimited],
                        PathRate::Stopped,
                        vec![network],
                    ))),
                }),
                braked: true,
            })),
        }),
    }
}

#[test]
fn each_key_of_an_announce_stands_in_the_protocol() {
    let query = request().to_query();
    let sent: Keys = query.split('&').filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())).collect();
    let mut documented = documented("### Keys of every client");
    documented.extend(self::documented("### Keys that agents add"));
    assert_eq!(sent, documented);
    assert_eq!(sent, listed(&[keys::request::ALL, keys::agent::ALL]));
}

#[test]
fn each_key_of_a_reply_stands_in_the_protocol() {
    let mut encoded = Vec::new();
    reply().encode(true, true, &mut encoded);
    let mut standard = documented("### Keys for every client");
    standard.retain(|key| !key.starts_with('{'));
    standard.insert("narrows".into());
    assert_eq!(bencoded(&encoded, None), standard);
    assert_eq!(standard, listed(&[keys::reply::ALL]));
    assert_eq!(
        bencoded(&encoded, Some("narrows")),
        documented("### The dictionary `narrows`")
    );
    assert_eq!(bencoded(&encoded, Some("narrows")), listed(&[keys::narrows::ALL]));
    let assignment = dictionary(&encoded, "narrows");
    for (key, all) in [("networks", keys::networks::ALL), ("rates", keys::rates::ALL)] {
        let heading = format!("### The dictionary `{key}` of a reply");
        assert_eq!(bencoded(&assignment, Some(key)), documented(&heading));
        assert_eq!(bencoded(&assignment, Some(key)), listed(&[all]));
    }

    let refusal = Failure {
        reason: "r".into(),
        interval: Some(1),
        retry_in: Some(RetryIn::Never),
        external_ip: Some(addresses()[0].ip()),
    };
    let mut encoded = Vec::new();
    refusal.encode(&mut encoded);
    assert_eq!(bencoded(&encoded, None), documented("### A refusal"));
    assert_eq!(bencoded(&encoded, None), listed(&[keys::refusal::ALL]));
}

#[test]
fn each_key_of_the_extension_handshake_stands_in_the_protocol() {
    let handshake = ExtendedHandshake {
        client: "c".into(),
        reqq: Some(1),
        port: Some(1),
        takes: Extensions::OURS,
        upload_only: true,
        narrows: Some(Hello {
            agent: "a".into(),
            site: "hq".into(),
            wan: true,
            gateway: true,
            forgotten: true,
            non_sharing: true,
        }),
    };
    let encoded = handshake.encode();
    let heading = "### The extension handshake (BEP 10, message 20, id 0)";
    assert_eq!(bencoded(&encoded, None), documented(heading));
    let ours = documented("The dictionary `narrows`:");
    assert_eq!(bencoded(&encoded, Some("narrows")), ours);
    assert_eq!(
        bencoded(&encoded, Some("m")),
        documented("### Extension messages")
    );
}

/// Files of the repository with one of these endings, but for what is built.
fn files(endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let skipped = name.starts_with('.') || name.starts_with("target") || name == "corpus";
            match entry.file_type().expect("a type") {
                kind if kind.is_dir() && !skipped => folders.push(path),
                kind if kind.is_file() && endings.iter().any(|ending| name.ends_with(ending)) => {
                    found.push(path)
                }
                _ => {}
            }
        }
    }
    found
}

#[test]
fn each_rule_that_is_cited_stands_in_the_design() {
    let design = read("doc/design.md");
    let stands = |number: &str| design.contains(&format!("\n### Rule {number}, "));
    for file in files(&[".rs", ".py", ".md", ".sls", ".yml"]) {
        let text = std::fs::read_to_string(&file).unwrap_or_default().to_lowercase();
        for cited in text.split("rule ").skip(1).chain(text.split("rules ").skip(1)) {
            let number: String = cited.chars().take_while(char::is_ascii_digit).collect();
            assert!(
                number.is_empty() || stands(&number),
                "{}: rule {number}",
                file.display()
            );
        }
    }
}

#[test]
fn what_the_documents_refer_to_exists() {
    let tops: Vec<String> = std::fs::read_dir(root())
        .expect("the repository")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name != "target")
        .collect();
    let sources = files(&[".rs", ".py", ".sh"]);
    let mut wrong = Vec::new();
    for document in files(&[".md"]) {
        // what it tells of is gone by now
        if document.ends_with("CHANGELOG.md") {
            continue;
        }
        let text = std::fs::read_to_string(&document).unwrap_or_default();
        let folder = document.parent().expect("a folder");
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        for link in links.filter(|link| !link.starts_with("http") && !link.starts_with('#')) {
            let path = link.split('#').next().unwrap_or_default();
            if !folder.join(path).exists() {
                wrong.push(format!("{}: {link}", document.display()));
            }
        }
        for path in quoted(&text).filter(|text| !text.contains([' ', '<', '*', '{', ':', '\n'])) {
            // `corpus/TARGET` stands for many
            let is_placeholder =
                path.split('/').any(|part| part == "x" || part.chars().all(|c| c.is_ascii_uppercase()));
            let inside = path.contains('/')
                && !is_placeholder
                && tops.iter().any(|top| path.split('/').next() == Some(top));
            let is_end = sources.iter().any(|file| file.ends_with(path));
            let lacks_path = inside && !is_end && !root().join(path).exists() && !folder.join(path).exists();
            let is_source = [".rs", ".py", ".sh"].iter().any(|ending| path.ends_with(ending));
            let lacks_source = is_source && !is_placeholder && !path.starts_with('/') && !is_end;
            if lacks_path || lacks_source {
                wrong.push(format!("{}: `{path}`", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// In comments and names of functions: doc/lexicon.md says what stands in their place.
#[test]
fn comments_and_names_name_their_subject() {
    let vague = ["somebody", "nobody", "everybody", "anybody", "whoever"];
    // a rule's name, and a user of Unix
    let meant = ["nobody starves", "nobody_starves", "user nobody"];
    for file in files(&[".rs"]) {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let spoken = |line: &str| line.find("//").map(|at| line[at..].to_owned());
        let named = |line: &str| line.split_once("fn ").map(|(_, name)| name.to_owned());
        for (number, line) in text.lines().enumerate() {
            for part in [spoken(line), named(line)].into_iter().flatten() {
                let part = meant.iter().fold(part.to_lowercase(), |part, meant| part.replace(meant, ""));
                let mut words = part.split(|c: char| !c.is_ascii_alphabetic());
                let found = words.find(|word| vague.contains(word));
                assert!(found.is_none(), "{}:{}: {found:?}", file.display(), number + 1);
            }
        }
    }
}
