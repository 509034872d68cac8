//! A role in JSON: `gateway` or `member`, as in announces.

use narrows_protocol::Role;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

const WORDS: [&str; Role::ALL.len()] = [Role::ALL[0].as_str(), Role::ALL[1].as_str()];

pub(super) fn serialize<S: Serializer>(role: &Role, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(role.as_str())
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Role, D::Error> {
    let text = String::deserialize(deserializer)?;
    Role::of(&text).ok_or_else(|| D::Error::unknown_variant(&text, &WORDS))
}

#[cfg(test)]
mod tests {
    use super::super::ContentStatus;
    use super::*;

    #[test]
    fn a_role_is_a_word_in_json_and_another_word_is_none() {
        for role in Role::ALL {
            let status = ContentStatus {
                role,
                ..ContentStatus::default()
            };
            let mut json = serde_json::to_value(&status).expect("JSON");
            assert_eq!(json["role"], role.as_str());
            assert_eq!(
                serde_json::from_value::<ContentStatus>(json.clone()).expect("a status"),
                status
            );
            json["role"] = "king".into();
            assert!(serde_json::from_value::<ContentStatus>(json).is_err());
        }
    }
}
