//! Scrapes and ids.

use narrows_protocol::{InfoHash, RequestError, ScrapeFile, ScrapeRequest, ScrapeResponse};
use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn a_scrape_names_its_hashes() {
    let request =
        ScrapeRequest::parse("info_hash=aaaaaaaaaaaaaaaaaaaa&x&info_hash=%00bbbbbbbbbbbbbbbbbbb").unwrap();
    assert_eq!(
        request.info_hashes,
        [
            InfoHash(*b"aaaaaaaaaaaaaaaaaaaa"),
            InfoHash(*b"\0bbbbbbbbbbbbbbbbbbb")
        ]
    );
    assert_eq!(ScrapeRequest::parse(""), Err(RequestError::FullScrape));
    assert_eq!(
        ScrapeRequest::parse("info_hash=short"),
        Err(RequestError::BadInfoHash)
    );
}

#[test]
fn a_scrape_reply_is_ordered_by_hash_and_says_each_once() {
    let file = ScrapeFile {
        complete: 1,
        downloaded: 2,
        incomplete: 3,
    };
    let (a, b) = (InfoHash([b'a'; 20]), InfoHash([b'b'; 20]));
    let mut out = Vec::new();
    ScrapeResponse::from_iter([(b, file), (a, file), (b, file)]).encode(&mut out);
    let counts = "d8:completei1e10:downloadedi2e10:incompletei3ee";
    let expected = format!(
        "d5:filesd20:{}{counts}20:{}{counts}ee",
        "a".repeat(20),
        "b".repeat(20)
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn an_info_hash_is_read_from_40_digits_or_the_64_of_a_v2_torrent() {
    let hash = "0123456789abcdef0123456789ABCDEF01234567";
    let parsed: InfoHash = hash.parse().unwrap();
    assert_eq!(parsed.to_string(), hash.to_lowercase());
    assert_eq!(format!("{hash}{}", "f".repeat(24)).parse(), Ok(parsed));
    for wrong in [
        "",
        "0123",
        &hash[1..],
        &hash.replace('0', "g"),
        &format!("{hash}0"),
        &"é".repeat(20),
    ] {
        assert!(wrong.parse::<InfoHash>().is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn a_scrape_is_read_as_it_was_written(hashes in vec(any::<[u8; 20]>().prop_map(InfoHash), 1..60)) {
        let request = ScrapeRequest { info_hashes: hashes };
        prop_assert_eq!(ScrapeRequest::parse(&request.to_query()), Ok(request));
    }

    #[test]
    fn a_scrape_reply_is_read_as_it_was_written(
        files in vec((any::<[u8; 20]>(), any::<(u32, u32, u32)>()), 0..60),
    ) {
        let response: ScrapeResponse = files
            .into_iter()
            .map(|(hash, (complete, downloaded, incomplete))| {
                (InfoHash(hash), ScrapeFile { complete, downloaded, incomplete })
            })
            .collect();
        let mut body = Vec::new();
        response.encode(&mut body);
        prop_assert_eq!(ScrapeResponse::decode(&body), Ok(response));
    }

    #[test]
    fn nothing_makes_the_parsers_panic(query in "\\PC{0,300}", body in vec(any::<u8>(), 0..300)) {
        let _ = ScrapeRequest::parse(&query);
        let _ = ScrapeResponse::decode(&body);
        let _ = query.parse::<InfoHash>();
    }
}
