//! The client of the SDK, from options and the environment.

use std::path::PathBuf;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    Builder, Credentials, RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use aws_types::service_config::ServiceConfigKey;
use url::{Host, Url};

use super::limit::Limit;
use super::reach::Reach;
use super::{S3Options, trust};
use crate::error::{Error, Kind};

/// A store of one's own has no regions, and AWS answers from this one where a bucket is.
const ANY_REGION: &str = "us-east-1";
/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long to wait for an answer, and for more bytes of it, before the request is given up.
pub(super) const STALL: Duration = Duration::from_secs(30);

pub(super) async fn client(options: &S3Options) -> Result<(Client, Reach), Error> {
    let environment = environment(options).await?;
    let endpoint = options.endpoint.clone().or_else(|| configured_endpoint(&environment));
    let aws = endpoint.as_deref().map(is_aws).transpose()?.unwrap_or(true);
    let reach = Reach::new(options, endpoint.clone());
    let mut config = Builder::from(&environment)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts(STALL))
        .stalled_stream_protection(StalledStreamProtectionConfig::enabled().grace_period(STALL).build())
        .force_path_style(options.path_style.unwrap_or(!aws))
        .interceptor(Limit);
    config.set_endpoint_url(endpoint);
    if !aws {
        // The checksums that the SDK adds by itself are in trailers that many stores do not know.
        config = config
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    }
    if options.no_sign_request {
        config = config.allow_no_auth();
    }
    Ok((Client::from_conf(config.build()), reach))
}

/// Limits for requests of which one try should take no longer than this.
pub(super) fn timeouts(attempt: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(attempt).operation_attempt_timeout(attempt).build()
}

/// Limits for requests that are watched otherwise.
pub(super) fn connect_only() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).disable_read_timeout().disable_operation_attempt_timeout().build()
}

async fn environment(options: &S3Options) -> Result<SdkConfig, Error> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest());
    let mut provider = ProviderConfig::default();
    if let Some(bundle) = ca_bundle(options) {
        // Those who give credentials out are behind the same proxy.
        let trusting = trust::client(&bundle)?;
        loader = loader.http_client(trusting.clone());
        provider = provider.with_http_client(trusting);
    }
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    loader = match (&options.access_key, &options.secret_key, &options.profile) {
        _ if options.no_sign_request => loader.no_credentials(),
        (Some(access), Some(secret), _) => {
            let token = options.session_token.clone();
            loader.credentials_provider(Credentials::new(access, secret, token, None, "options"))
        }
        // Who names a profile means it, whatever else is in the environment, as with the tools of AWS.
        (None, None, Some(profile)) => {
            let region = options.region.clone().map(Region::new);
            let provider = provider.with_region(region.or(Some(Region::new(ANY_REGION))));
            loader.credentials_provider(
                ProfileFileCredentialsProvider::builder().configure(&provider).profile_name(profile).build(),
            )
        }
        (None, None, None) => loader,
        _ => {
            let message = "an access key without a secret key, or the other way round";
            return Err(Error::new(Kind::Usage, "storage.incomplete_keys", message));
        }
    };
    let environment = loader.load().await;
    if environment.region().is_some() {
        return Ok(environment);
    }
    Ok(environment.into_builder().region(Region::new(ANY_REGION)).build())
}

/// The file with the certificates to trust, if there is one.
fn ca_bundle(options: &S3Options) -> Option<PathBuf> {
    // The tools of AWS read this variable, and the SDK for Rust does not.
    let variable = || std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()).map(PathBuf::from);
    options.ca_bundle.clone().or_else(variable)
}

/// The server that the environment or the profile names for S3, or for every service.
fn configured_endpoint(environment: &SdkConfig) -> Option<String> {
    let key =
        ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()?;
    let service = environment.service_config().and_then(|config| config.load_config(key));
    service.or_else(|| environment.endpoint_url().map(str::to_owned))
}

/// Whether this is a server of AWS.
fn is_aws(endpoint: &str) -> Result<bool, Error> {
    let refuse = |why: &str| {
        Err(Error::new(Kind::Usage, "storage.invalid_endpoint", format!("the endpoint {why}"))
            .hint("an endpoint is the URL of a server, as http://127.0.0.1:9000"))
    };
    let Ok(url) = Url::parse(endpoint) else { return refuse("is not a URL") };
    // What it is, is not repeated: there may be a password in it.
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("has credentials in it");
    }
    if !matches!(url.scheme(), "http" | "https") {
        return refuse("is not an http or https URL");
    }
    Ok(match url.host() {
        Some(Host::Domain(host)) => {
            let host = host.trim_end_matches('.');
            host == "amazonaws.com" || host.ends_with(".amazonaws.com")
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_amazonaws_com_are_aws() {
        for (endpoint, aws) in [
            ("https://s3.eu-west-3.amazonaws.com", true),
            ("https://S3.AmazonAWS.com./", true),
            ("http://127.0.0.1:9000", false),
            ("http://[::1]:9000", false),
            ("https://minio.local/amazonaws.com", false),
            ("https://notamazonaws.com", false),
        ] {
            assert_eq!(is_aws(endpoint).unwrap(), aws, "{endpoint}");
        }
        for bad in ["127.0.0.1:9000", "localhost", "ftp://host", "http://key:s3cr3t@host"] {
            let error = is_aws(bad).unwrap_err();
            assert_eq!(error.code(), "storage.invalid_endpoint", "{bad}");
            assert!(!error.to_string().contains("s3cr3t"));
        }
    }

    #[tokio::test]
    async fn half_a_pair_of_keys_is_refused() {
        let options = S3Options { access_key: Some("a".into()), ..S3Options::default() };
        assert_eq!(client(&options).await.unwrap_err().code(), "storage.incomplete_keys");
    }
}
