//! Scrapes (BEP 48): the query of any client, the reply of any tracker.

use narrows_protocol::scrape::{ScrapeRequest, ScrapeResponse};

/// A scrape that is accepted asks for the same swarms once written and read again.
pub fn scrape_query(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else {
        return;
    };
    match ScrapeRequest::parse(query) {
        Ok(request) => {
            // "info_hash=" and 20 bytes take at least 30
            assert!((1..=query.len() / 30).contains(&request.info_hashes.len()));
            let written = request.to_query();
            assert!(written.len() <= request.info_hashes.len() * 71);
            // 20 bytes that were sent as they are take up to 60 once written
            if written.len() <= 8 * 1024 {
                assert_eq!(ScrapeRequest::parse(&written), Ok(request));
            }
        }
        Err(error) => assert!(!error.reason().is_empty()),
    }
}

/// A reply that is accepted counts the same once written and read again, each swarm once.
pub fn scrape_reply(data: &[u8]) {
    match ScrapeResponse::decode(data) {
        Ok(response) => {
            assert!(response.files().is_sorted_by(|(a, _), (b, _)| a < b));
            assert!(response.files().len() <= data.len() / 25);
            let mut out = Vec::new();
            response.encode(&mut out);
            assert_eq!(ScrapeResponse::decode(&out), Ok(response));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
