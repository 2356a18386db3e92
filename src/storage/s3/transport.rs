//! What it means that no answer came: names, connections, certificates, credentials.

use std::error::Error as StdError;

use aws_config::imds::client::error::ImdsError;
use aws_credential_types::provider::error::CredentialsError;
use chrono::DateTime;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, InvalidMessage};

use super::reach::{Keys, Reach};
use super::verdict::Verdict;
use crate::storage::ErrorKind;

/// The first cause that is of this type. Errors of the operating system keep theirs behind another door.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<E>() {
            return Some(found);
        }
        let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| find::<E>(inner as &(dyn StdError + 'static))) {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

/// What a connection that did not come about, or broke, means.
pub(super) fn connection(error: &(dyn StdError + 'static), reach: &Reach) -> Verdict {
    if let Some(tls) = find::<rustls::Error>(error) {
        return handshake(tls);
    }
    let unreachable = Verdict::new(ErrorKind::Unavailable, "the store cannot be reached");
    let is_name = said(error, "dns error");
    match &reach.endpoint {
        Some(endpoint) if is_name => {
            unreachable.hint(format!("is the name in {endpoint} right, and does DNS know it?"))
        }
        Some(endpoint) => unreachable.hint(format!("does a store listen at {endpoint}?")),
        None if is_name => unreachable.hint("is the region right? for a store of your own pass --endpoint URL"),
        None => unreachable.hint(reach.server_hint()),
    }
}

fn handshake(error: &rustls::Error) -> Verdict {
    let untrusted = |message: &str| Verdict::new(ErrorKind::Untrusted, message);
    let authority = "pass the certificate of its authority with --ca-bundle FILE (or AWS_CA_BUNDLE)";
    match error {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                untrusted("the server's certificate has expired")
                    .hint("have it renewed; or is this machine's clock wrong?")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                untrusted("the server's certificate is not valid yet").hint("is this machine's clock right?")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                untrusted("the server's certificate is for another name").hint("write the endpoint with that name")
            }
            // The name of the reason is in no public type.
            CertificateError::Other(why) if format!("{why:?}").contains("CaUsedAsEndEntity") => {
                untrusted("the server's certificate is that of an authority").hint(
                    "give the server a certificate of its own (openssl: basicConstraints = CA:FALSE), and name its \
                     authority with --ca-bundle FILE",
                )
            }
            _ => untrusted("the server's certificate is not trusted").hint(authority),
        },
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            untrusted("the server does not speak TLS there")
                .hint("write the endpoint with http://, or with the port of TLS")
        }
        rustls::Error::AlertReceived(AlertDescription::UnknownCA | AlertDescription::CertificateRequired) => {
            untrusted("the server asks for a certificate of the client, which waloy has not")
        }
        _ => untrusted("no secure connection"),
    }
}

/// Why the handshake failed, in words: rustls prints its reasons as Rust sees them.
pub(super) fn reason(error: &(dyn StdError + 'static)) -> Option<String> {
    let error = find::<rustls::Error>(error)?;
    let utc = |at: UnixTime| DateTime::from_timestamp(i64::try_from(at.as_secs()).unwrap_or(i64::MAX), 0);
    let day = |at: UnixTime| utc(at).map_or_else(|| "?".to_owned(), |at| at.format("%F %T UTC").to_string());
    Some(match error {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::NotValidForNameContext { expected, presented } => {
                let names: Vec<&str> = presented.iter().map(|name| name.split('"').nth(1).unwrap_or(name)).collect();
                let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
                format!("the certificate is for {names}, not for {}", expected.to_str())
            }
            CertificateError::ExpiredContext { not_after, .. } => {
                format!("the certificate was valid until {}", day(*not_after))
            }
            CertificateError::NotValidYetContext { not_before, .. } => {
                format!("the certificate is valid from {}", day(*not_before))
            }
            CertificateError::UnknownIssuer => "the certificate's issuer is unknown".to_owned(),
            CertificateError::Other(_) => "the certificate cannot be used".to_owned(),
            other => format!("the certificate is refused: {}", in_words(&other.to_string())),
        },
        rustls::Error::InvalidMessage(_) => "what the server sent is no TLS".to_owned(),
        other => in_words(&other.to_string()),
    })
}

/// The names of Rust's variants as words: `received fatal alert: HandshakeFailure` ends with `handshake failure`.
fn in_words(text: &str) -> String {
    let word = |word: &str| {
        let is_name = word.chars().skip(1).any(char::is_uppercase) && word.chars().any(char::is_lowercase);
        if !is_name {
            return word.to_owned();
        }
        word.chars().enumerate().fold(String::new(), |mut words, (at, character)| {
            words.extend((at > 0 && character.is_uppercase()).then_some(' '));
            words.extend(character.to_lowercase());
            words
        })
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// What it means that there are no credentials to sign with, if that is what failed.
pub(super) fn credentials(error: &(dyn StdError + 'static), reach: &Reach) -> Option<Verdict> {
    let failure = find::<CredentialsError>(error)?;
    // Anything may listen at the address of a metadata service; what gives no token is none.
    let no_service = matches!(find::<ImdsError>(failure), Some(ImdsError::FailedToLoadToken(_)));
    let verdict = match failure {
        CredentialsError::CredentialsNotLoaded(_) => none(reach),
        CredentialsError::ProviderError(_) if no_service => none(reach),
        // Those who give credentials out (an STS, a metadata service) have their outages too.
        CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_) => {
            Verdict::new(ErrorKind::Unavailable, "the credentials cannot be fetched").hint(reach.keys.to_string())
        }
        _ => Verdict::new(ErrorKind::Denied, "no credentials")
            .coded("storage.no_credentials")
            .hint(reach.keys.to_string()),
    };
    Some(verdict)
}

fn none(reach: &Reach) -> Verdict {
    let verdict = Verdict::new(ErrorKind::Denied, "no credentials").coded("storage.no_credentials");
    match &reach.keys {
        Keys::Profile(name) => {
            verdict.hint(format!("is there a profile `{name}` with keys in ~/.aws/config or ~/.aws/credentials?"))
        }
        _ => verdict
            .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile: --profile NAME, AWS_PROFILE")
            .hint("or, past the AWS chain, WALOY_S3_ACCESS_KEY and WALOY_S3_SECRET_KEY (or the same with _FILE)"),
    }
}

/// Whether the chain of credentials had nothing at all: its list of attempts says no more than that.
pub(super) fn is_nothing_found(error: &(dyn StdError + 'static)) -> bool {
    matches!(find::<CredentialsError>(error), Some(CredentialsError::CredentialsNotLoaded(_)))
}

/// Whether an error of the chain says this; the SDK's own types are private.
fn said(error: &(dyn StdError + 'static), text: &str) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.to_string().contains(text) {
            return true;
        }
        next = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use rustls::PeerIncompatible;

    use super::*;

    #[test]
    fn why_a_handshake_failed_is_told_in_words() {
        let expired = CertificateError::ExpiredContext {
            time: UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_795_000_000)),
            not_after: UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_790_000_000)),
        };
        let rustls = rustls::Error::InvalidCertificate;
        for (error, told) in [
            (rustls(expired), "the certificate was valid until 2026-09-21 14:13:20 UTC"),
            (rustls(CertificateError::BadSignature), "the certificate is refused: bad signature"),
            (
                rustls::Error::AlertReceived(AlertDescription::HandshakeFailure),
                "received fatal alert: handshake failure",
            ),
            (PeerIncompatible::NoCipherSuitesInCommon.into(), "peer is incompatible: no cipher suites in common"),
            (rustls::Error::NoCertificatesPresented, "peer sent no certificates"),
        ] {
            assert_eq!(reason(&error).as_deref(), Some(told));
        }
    }
}
