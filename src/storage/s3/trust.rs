//! Certificates to trust instead of those of the system.

use std::path::Path;

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::{Error, Kind};

/// A client that trusts the certificates of this file, and no others.
///
/// # Errors
///
/// The file cannot be read, or something in it is no certificate.
pub(super) fn client(bundle: &Path) -> Result<SharedHttpClient, Error> {
    let shown = bundle.display();
    let refuse = |message: String| {
        Error::new(Kind::Usage, "storage.ca_bundle", message)
            .hint("a CA bundle is a file of certificates in PEM: -----BEGIN CERTIFICATE----- …")
    };
    let pem = std::fs::read(bundle).map_err(|error| {
        Error::new(Kind::Usage, "storage.ca_bundle", format!("cannot read the CA bundle {shown}")).because(error)
    })?;
    // The client panics over what it cannot read.
    check(&pem).map_err(|why| refuse(format!("the CA bundle {shown} {why}")))?;
    let store = TrustStore::empty().with_pem_certificate(pem);
    let context = TlsContext::builder().with_trust_store(store).build().map_err(|error| {
        Error::new(Kind::Usage, "storage.ca_bundle", format!("the CA bundle {shown} cannot be used")).because(error)
    })?;
    Ok(Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(context).build_https())
}

fn check(pem: &[u8]) -> Result<(), &'static str> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "is not PEM")?;
        roots.add(certificate).map_err(|_| "has something in it that is no certificate")?;
    }
    if roots.is_empty() { Err("has no certificate in it") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused_before_it_is_used() {
        for (pem, why) in [
            ("", "has no certificate in it"),
            ("just a text", "has no certificate in it"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "has something in it that is no certificate",
            ),
            ("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", "is not PEM"),
        ] {
            assert_eq!(check(pem.as_bytes()), Err(why), "{pem}");
        }
    }
}
